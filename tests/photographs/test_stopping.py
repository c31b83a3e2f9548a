"""Ctrl-C and SIGTERM wait where a photograph's files are written, and end alike."""

import signal

import pytest

from oldrestore.photographs.stopping import paddle_imported_and_sigterm_as_ctrl_c, signals_deferred


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_waits_for_the_block_and_a_second_does_not(number):
    before = signal.getsignal(signal.SIGTERM)
    done = []
    with paddle_imported_and_sigterm_as_ctrl_c():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt), signals_deferred():
            signal.raise_signal(number)
            done.append("written")
        with pytest.raises(KeyboardInterrupt), signals_deferred():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("not reached")
    assert done == ["written"]
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
