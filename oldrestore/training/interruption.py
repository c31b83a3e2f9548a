"""Ctrl-C, SIGTERM and SIGUSR1, taken at a safe point."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGUSR1 is what Slurm is usually asked to send ahead of a time limit (sbatch --signal).
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Killed(BaseException):
    """A run was asked to stop; raised between two steps, never within one.

    It is no `Exception`, like KeyboardInterrupt, so that no handler of errors takes it for one.
    """


class Interruption:
    """Remembers a signal until the program reaches a safe point; a second one stops at once."""

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._over = False

    def check(self) -> None:
        """Raise `Killed` if a signal has come; to be called where nothing is half done."""
        if self.signal_name is not None:
            raise Killed(f"stopped by {self.signal_name}")

    def ignore_from_now(self) -> None:
        """Take no more signals: the work is over, and what is being written down must be whole."""
        self._over = True

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self.signal_name is not None:
            raise Killed(f"stopped at once by a second {signal.Signals(number).name}")
        self.signal_name = signal.Signals(number).name

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for `SIGNALS`; the handlers that stood before come back afterwards."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in before:
            signal.signal(number, self._remember)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
