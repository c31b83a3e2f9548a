"""Ctrl-C, SIGTERM and SIGUSR1, handled at a safe point."""

from __future__ import annotations

import signal
import time
from contextlib import AbstractContextManager
from types import FrameType

from oldrestore import parallel
from oldrestore.signals import handling

# Slurm is usually configured to send SIGUSR1 ahead of a time limit (sbatch --signal).
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
REPEATED_WITHIN = 5.0  # seconds: Paddle's launcher sends a signal three times within one


class Killed(BaseException):
    """A run was asked to stop; raised between two steps. Like KeyboardInterrupt, it passes handlers of `Exception`."""


class Interruption:
    """Remembers a signal until the program reaches a safe point; a second signal stops it at once.

    Several processes that train together must stop after the same step. A signal counts for the loop (`signal_name`)
    once all of them know of it, one step after it reached the first.
    """

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._own: str | None = None
        self._since = 0.0
        self._over = False

    def check(self) -> None:
        """Raise `Killed` if a signal has arrived; call it at points where nothing is half done."""
        name = self.signal_name or self._own
        if name is not None:
            raise Killed(f"stopped by {name}")

    def receive(self, number: int) -> None:
        """Note the number of a signal that reached one of several processes; 0 is none."""
        if number and not self._over:
            self.signal_name = signal.Signals(number).name

    def ignore_from_now(self) -> None:
        """Ignore further signals: training is over, and its results must be written in full."""
        self._over = True

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self._own is not None:
            if parallel.size() > 1 and time.monotonic() - self._since < REPEATED_WITHIN:
                return
            raise Killed(f"stopped at once by a second {signal.Signals(number).name}")
        self._own, self._since = signal.Signals(number).name, time.monotonic()
        if parallel.size() > 1:
            parallel.signal_number = number
        else:
            self.signal_name = self._own

    def listening(self) -> AbstractContextManager[None]:
        """Listen for `SIGNALS`; the previous handlers are restored afterwards."""
        return handling(SIGNALS, self._remember)
