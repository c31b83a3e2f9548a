"""One process at a time in a run folder: a lock that the system itself takes back from a process that dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from oldrestore.errors import UserError


class RunLock:
    """Holds a run folder from its making until it is left; on file systems without locks it holds nothing.

    Parameters
    ----------
    folder : Path
    wait : float
        Seconds to wait for another process. The loader's workers of a run that was killed hold its lock until they
        notice, which takes some seconds.

    Raises
    ------
    UserError
        Another process holds it.
    """

    def __init__(self, folder: Path, wait: float = 0.0) -> None:
        self._descriptor: int | None = os.open(folder, os.O_RDONLY)
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.2)
                    continue
                os.close(self._descriptor)
                raise UserError(f"run '{folder.name}' is still running: another process has its folder") from None
            except OSError:
                return  # the file system knows no locks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._descriptor is not None:
            # Unlock explicitly: children that were forked meanwhile share the lock, and would keep it after closing.
            with_lock, self._descriptor = self._descriptor, None
            try:
                fcntl.flock(with_lock, fcntl.LOCK_UN)
            except OSError:
                pass
            finally:
                os.close(with_lock)
