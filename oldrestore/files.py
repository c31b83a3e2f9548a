"""Files: written atomically, appended line by line (a torn last line is removed), locked, and hashed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from oldrestore.errors import naming


def sha256_of(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def lock(path: Path, wait: float | None = None) -> Iterator[bool]:
    """Hold a lock, which the system releases if the process dies; yields False if another process keeps it for `wait`
    seconds.

    `path` is a folder, or a file, which is created if missing and never deleted: all must lock the same one. On a file
    system without locks, nothing is locked.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        yield _locked(descriptor, wait)
    finally:
        # Unlock explicitly: children forked in the meantime share the lock, and closing would leave it with them.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _locked(descriptor: int, wait: float | None) -> bool:
    deadline = None if wait is None else time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if deadline is None else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
            continue
        except OSError:
            pass  # the file system has no locks
        return True


def neighbour_of(path: Path) -> Path:
    """Return a free, hidden name beside a file or folder to write it under, at most 20 bytes longer than its own."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex[:6]}.tmp")


@contextlib.contextmanager
def whole_file(path: Path, place: Callable[[Path, Path], object] = Path.replace) -> Iterator[Path]:
    """Yield the name of a temporary file, which takes (by `place`) or replaces `path` when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = neighbour_of(path)
    try:
        yield neighbour
        place(neighbour, path)
    finally:
        with contextlib.suppress(OSError):  # it may be missing
            neighbour.unlink()


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary folder beside `path`, which is renamed to `path` when the block ends.

    It replaces an existing folder: a damaged one, or that of a process that did the same at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = neighbour_of(path)
    try:
        yield neighbour
        try:
            neighbour.replace(path)
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
            neighbour.replace(path)
    finally:
        shutil.rmtree(neighbour, ignore_errors=True)


def write_atomically(path: Path, content: str | bytes, place: Callable[[Path, Path], object] = Path.replace) -> None:
    """Write a `whole_file`, forced to the disk, so that a reader sees the old content or the new, never a part."""
    data = content.encode() if isinstance(content, str) else content
    with whole_file(path, place) as neighbour, naming(path), neighbour.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class LineFile:
    """A text file that only grows, by whole lines.

    Each `append` reaches the operating system in one write, so a process killed with -9 loses nothing it appended; the
    disk is forced at most every `sync_seconds`, so a power cut loses that much. Opening a file removes a torn last
    line; it is created with the first line.
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
                if self.path.exists():
                    os.truncate(self.path, self.path.read_bytes().rfind(b"\n") + 1)  # a torn end
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            rest = memoryview(text.encode())
            while rest:  # one write unless the disk is nearly full or a signal interrupts
                rest = rest[os.write(self._descriptor, rest) :]
            if time.monotonic() - self._synced >= self.sync_seconds:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()

    def sync(self) -> int:
        """Force to the disk what was appended, and return the length in bytes (0 if there is no file)."""
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
        """Close the file if a line after `close` opened it again."""
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None:
            os.close(descriptor)


def whole_lines(path: Path) -> list[str]:
    """Return the complete lines of a `LineFile`, without their line breaks; none if there is no file."""
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1].decode().split("\n")[:-1]
