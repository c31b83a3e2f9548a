"""A queue that never blocks its writer and never loses an entry: what memory cannot hold goes to a file."""

from __future__ import annotations

import pickle
import tempfile
import threading
from collections import deque
from typing import IO, Any


class Spool:
    """First in, first out, between threads, with a bound on memory.

    Entries are pickled when they are put. That copies them, so the caller may go on using its arrays, and it
    tells their size: beyond `memory_bytes` they wait in an anonymous temporary file instead.

    Parameters
    ----------
    memory_bytes : int
        Bound on the pickled entries held in memory.
    """

    def __init__(self, memory_bytes: int = 64 * 2**20) -> None:
        self.memory_bytes = memory_bytes
        self._in_memory: deque[bytes] = deque()
        self._held = 0
        self._sizes_on_disk: deque[int] = deque()
        self._disk: IO[bytes] | None = None
        self._read_at = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, entry: Any) -> None:
        """Add a copy of `entry`; after `close` this does nothing."""
        data = pickle.dumps(entry, protocol=pickle.HIGHEST_PROTOCOL)
        with self._changed:
            if self._closed:
                return
            # Once entries wait on disk, later ones queue up behind them: the order is kept.
            if self._sizes_on_disk or self._held + len(data) > self.memory_bytes:
                if self._disk is None:
                    self._disk = tempfile.TemporaryFile(prefix="oldrestore-spool-")  # noqa: SIM115
                self._disk.seek(0, 2)
                self._disk.write(data)
                self._sizes_on_disk.append(len(data))
            else:
                self._in_memory.append(data)
                self._held += len(data)
            self._changed.notify()

    def get(self, seconds: float | None = None) -> Any:
        """Wait for the oldest entry, take it out and return it; raises `EOFError` once closed.

        Parameters
        ----------
        seconds : float, optional
            Longest wait; None is returned when nothing came in that time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._in_memory or self._sizes_on_disk or self._closed, seconds):
                return None
            if self._closed:
                raise EOFError("the spool is closed")
            if self._in_memory:
                data = self._in_memory.popleft()
                self._held -= len(data)
            else:
                self._disk.seek(self._read_at)
                data = self._disk.read(self._sizes_on_disk.popleft())
                self._read_at += len(data)
                if not self._sizes_on_disk:
                    self._disk.truncate(0)
                    self._read_at = 0
        return pickle.loads(data)  # noqa: S301 - bytes that this object pickled itself

    def __len__(self) -> int:
        """Return the number of entries that wait."""
        return len(self._in_memory) + len(self._sizes_on_disk)

    def close(self) -> None:
        """Throw away what waits and let go of the file."""
        with self._changed:
            self._closed = True
            self._in_memory.clear()
            self._sizes_on_disk.clear()
            if self._disk is not None:
                self._disk.close()
                self._disk = None
            self._changed.notify_all()
