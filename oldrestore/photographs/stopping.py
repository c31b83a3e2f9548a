"""Ctrl-C and SIGTERM between photographs: both end alike, never between the files of one photograph."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from oldrestore.signals import handling

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def paddle_imported_and_sigterm_as_ctrl_c() -> Iterator[None]:
    """Import Paddle, and have SIGTERM raise KeyboardInterrupt in the block, like Ctrl-C.

    From the middle of its import on, Paddle answers SIGTERM with a C++ traceback; so a SIGTERM during the import waits.
    `paddle.disable_signal_handler` would also remove the handlers that report crashes.
    """
    from oldrestore import runtime

    if threading.current_thread() is not threading.main_thread():
        runtime.quiet_import_of_paddle()  # only the main thread handles signals
        yield
        return
    waiting = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with contextlib.ExitStack() as stack:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        try:
            runtime.quiet_import_of_paddle()
            stack.enter_context(handling((signal.SIGTERM,), signal.default_int_handler))
        finally:
            if not waiting:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        yield


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM to the end of the block; a second one is not deferred.

    For short work that should not be half done. Signals without a Python handler are not affected.
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
