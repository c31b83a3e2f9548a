"""Carries calls to one sink in a thread of its own, so that a slow sink never holds up who calls."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from oldrestore.tracking.spool import Spool

if TYPE_CHECKING:
    from oldrestore.tracking.protocol import Tracker

MOST_GATHERED = 500  # iterations whose scalars a sink is given at once


class Lane:
    """One sink, its queue, and the thread that carries calls from one to the other.

    Parameters
    ----------
    name : str
        For messages and the thread.
    sink : Tracker
    switched_off : callable
        Told (name, call, error) when the sink raised, and is given nothing more.
    """

    def __init__(self, name: str, sink: Tracker, switched_off: Callable[[str, str, BaseException], None]) -> None:
        self.name = name
        self.sink = sink
        self._switched_off = switched_off
        self._spool = Spool()
        self._done = threading.Event()
        # A daemon: a sink that hangs in the network must not keep the process from ending.
        self._thread = threading.Thread(target=self._carry, name=f"sink-{name}", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether the sink has not yet taken everything."""
        return not self._done.is_set()

    def send(self, call: str, arguments: tuple[Any, ...]) -> None:
        """Queue a call; waits for nothing."""
        try:
            self._spool.put((call, arguments))
        except OSError as error:  # it waits on a disk that is full: the sink misses it, the run does not
            self._spool.close()
            self._switched_off(self.name, call, error)

    def join(self, seconds: float) -> None:
        """Wait until the sink has taken everything, so long at most."""
        self._done.wait(seconds)

    def abandon(self) -> None:
        """Forget what the sink has not taken."""
        self._spool.close()

    def _carry(self) -> None:
        call, following = "start", None
        try:
            while call != "finish":
                call, arguments = following or self._spool.get()
                following = None
                if call == "scalars" and hasattr(self.sink, "gathered"):
                    entries, following = self._gather(arguments)
                    self.sink.gathered(entries)
                else:
                    getattr(self.sink, call)(*arguments)
        except EOFError:
            pass
        # Whatever a tracking service does wrong, also a call to sys.exit, must not reach the run.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self._switched_off(self.name, call, error)
            with contextlib.suppress(Exception):  # it has failed already: a failure to tidy up adds nothing
                getattr(self.sink, "give_up", lambda: None)()
        finally:
            self._spool.close()
            self._done.set()

    def _gather(self, first: tuple[Any, ...]) -> tuple[list[tuple[Any, ...]], tuple[str, tuple[Any, ...]] | None]:
        """Collect scalars for as long as the sink wants to; also the call of another kind that came, if one did."""
        entries = [(time.time(), *first)]
        until = time.monotonic() + self.sink.gather_seconds
        while len(entries) < MOST_GATHERED:
            entry = self._spool.get(max(0.0, until - time.monotonic()))
            if entry is None:
                break
            if entry[0] != "scalars":
                return entries, entry
            entries.append((time.time(), *entry[1]))
        return entries, None
