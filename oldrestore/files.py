"""Files that survive a crash: written whole or not at all, appended line by line, healed after a torn end."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from oldrestore.errors import naming


def write_atomically(path: Path, content: str | bytes, place: Callable[[Path, Path], None] | None = None) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a neighbour file first, are forced to the disk, and take the name in one step: `place` gives the
    neighbour the name, by default in place of a file that has it.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path), neighbour.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if place is None:
            neighbour.replace(path)
        else:
            place(neighbour, path)
    finally:
        with contextlib.suppress(OSError):  # it may not be there, and what is wrong has been said
            neighbour.unlink()


class LineFile:
    """A text file that only grows, by whole lines.

    Each `append` reaches the operating system in one write, so a process killed with -9 loses nothing it
    appended; the disk is forced at most every `sync_seconds`, so a power cut loses that much. Opening a file
    whose last line was torn cuts the torn part away first.

    Parameters
    ----------
    path : Path
        The file; it is made when the first line arrives.
    sync_seconds : float
        Least time between two `fsync` calls, seconds.
    """

    def __init__(self, path: Path, sync_seconds: float = 5.0) -> None:
        self.path = path
        self.sync_seconds = sync_seconds
        self._descriptor: int | None = None
        self._synced = time.monotonic()
        self._lock = threading.RLock()  # sinks log their failure from threads of their own

    @property
    def is_empty(self) -> bool:
        """Whether the file has no content yet."""
        return not self.path.exists() or self.path.stat().st_size == 0

    def append(self, text: str) -> None:
        """Append `text`, which ends with a line break, in one write."""
        assert text.endswith("\n"), "a line file grows by whole lines"
        with self._lock, naming(self.path):
            if self._descriptor is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                _cut_torn_end(self.path)
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            rest = memoryview(text.encode())
            while rest:  # one write unless the disk is nearly full or a signal interrupts
                rest = rest[os.write(self._descriptor, rest) :]
            if time.monotonic() - self._synced >= self.sync_seconds:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()

    def sync(self) -> int:
        """Force to the disk what was appended, and return the length in bytes (0 of a file that is not there)."""
        with self._lock:
            if self._descriptor is None:
                return self.path.stat().st_size if self.path.exists() else 0
            os.fsync(self._descriptor)
            self._synced = time.monotonic()
            return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Force to the disk and close; a later `append` opens the file again."""
        with self._lock:
            if self._descriptor is not None:
                descriptor, self._descriptor = self._descriptor, None
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def __del__(self) -> None:
        """Let go of the file, which a line after `close` has opened again."""
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None:
            os.close(descriptor)


def whole_text(path: Path) -> str:
    """Return a `LineFile` up to its last line break; a torn last line and a missing file give nothing."""
    if not path.exists():
        return ""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1].decode()


def whole_lines(path: Path) -> list[str]:
    """Return the complete lines of a `LineFile`, without their line breaks."""
    return whole_text(path).split("\n")[:-1]


def _cut_torn_end(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end != len(content):
            file.truncate(end)
