"""Ctrl-C and SIGTERM while photographs are made: one end for both, never between the files of one photograph."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from oldrestore.signals import handling

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def paddle_imported_and_sigterm_as_ctrl_c() -> Iterator[None]:
    """Import Paddle, and let SIGTERM raise KeyboardInterrupt in the block, as Ctrl-C does.

    Paddle answers SIGTERM with a C++ traceback from the middle of its import on; one that comes meanwhile waits.
    `paddle.disable_signal_handler` would give up Paddle's other handlers too, which say what a crash was.
    """
    from oldrestore import runtime

    if threading.current_thread() is not threading.main_thread():
        runtime.quiet_import_of_paddle()  # signals are the main thread's
        yield
        return
    waiting = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with contextlib.ExitStack() as stack:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        try:
            runtime.quiet_import_of_paddle()
            stack.enter_context(handling((signal.SIGTERM,), _interrupt))
        finally:
            if not waiting:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        yield


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block is done; a second one does not wait.

    For what takes a moment and should not be half done. Signals that the program does not handle in Python are left.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    try:
        with handling([number for number in SIGNALS if callable(signal.getsignal(number))], remember):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])
