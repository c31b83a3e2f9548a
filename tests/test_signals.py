"""Signals are handled for as long as a block lasts."""

import signal

import pytest

from oldrestore.signals import handling


def test_signals_reach_the_handler_in_the_block_and_their_own_afterwards():
    before, came = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}, []
    with pytest.raises(ZeroDivisionError), handling(before, lambda number, frame: came.append(number)):
        signal.raise_signal(signal.SIGUSR1)
        with handling([signal.SIGTERM], lambda *_: came.append("inner")):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError
    assert came == [signal.SIGUSR1, "inner", signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in before} == before
