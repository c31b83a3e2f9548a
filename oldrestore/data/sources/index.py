"""What is known of photograph files (content hash, size, readable or not), found out once and kept."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from oldrestore.data.cache import cache_directory
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes, read_photo_file

INDEX_VERSION = 2
"""To be raised when `decode` begins to read other files than before, so that old findings are forgotten."""

LOCK_TIMEOUT = 5.0
"""Seconds that one process waits for another that writes the index, before it goes on without."""

PROGRESS_INTERVAL = 10.0
"""Seconds between two progress messages on a large folder."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotoFile:
    """What a photograph file holds: content hash (None if it cannot be read), size in bytes, upright pixels.

    `reason` says why it cannot be decoded; None if it can.
    """

    sha256: str | None
    bytes: int = 0
    height: int = 0
    width: int = 0
    reason: str | None = None


def examine(path: Path) -> PhotoFile:
    """Hash and fully decode one file."""
    try:
        data = read_photo_file(path)
    except UnreadablePhoto as problem:
        return PhotoFile(sha256=None, reason=problem.reason)
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        height, width = decode_bytes(data).shape[:2]
    except UnreadablePhoto as problem:
        return PhotoFile(sha256=sha256, bytes=len(data), reason=problem.reason)
    return PhotoFile(sha256=sha256, bytes=len(data), height=height, width=width)


def examine_all(paths: Sequence[Path]) -> list[PhotoFile]:
    """Examine files in threads; those unchanged since an earlier call come from the index at once.

    The index is a SQLite file in `cache_directory`, keyed by absolute path, file size and modification
    time in nanoseconds. It is only ever a shortcut: if it cannot be read or written, the files are examined again.
    """
    keys = [_key(path) for path in paths]
    indexed = _load(keys)
    missing = [number for number, key in enumerate(keys) if key is None or key not in indexed]
    fresh = dict(zip(missing, _examine_in_threads([paths[number] for number in missing]), strict=True))
    _store((keys[number], file) for number, file in fresh.items() if keys[number] and file.sha256)
    return [fresh[number] if number in fresh else indexed[key] for number, key in enumerate(keys)]


_Key = tuple[bytes, int, int]


def _key(path: Path) -> _Key | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return os.fsencode(os.path.abspath(path)), status.st_size, status.st_mtime_ns  # noqa: PTH100 (links stay)


def _examine_in_threads(paths: Sequence[Path]) -> list[PhotoFile]:
    if not paths:
        return []
    files = []
    last_message = time.monotonic()
    # Pillow's decoders and hashlib release the interpreter lock; more threads than cores only cost memory.
    with ThreadPoolExecutor(max_workers=min(8, number_of_cores())) as pool:
        for number, photo_file in enumerate(pool.map(examine, paths), start=1):
            files.append(photo_file)
            if time.monotonic() - last_message > PROGRESS_INTERVAL:
                last_message = time.monotonic()
                _logger.info("examined %d of %d photographs (done once, then remembered)", number, len(paths))
    return files


def number_of_cores() -> int:
    """Return how many processors this process may use."""
    # What this process may use, which in a container or under a scheduler is less than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _connection() -> Iterator[sqlite3.Connection]:
    path = _index_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT)) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS photo (path BLOB PRIMARY KEY, file_size INTEGER, mtime_ns INTEGER, "
            "sha256 TEXT, height INTEGER, width INTEGER, reason TEXT)"
        )
        yield connection


def _load(keys: Iterable[_Key | None]) -> dict[_Key, PhotoFile]:
    indexed: dict[_Key, PhotoFile] = {}
    try:
        with _connection() as connection:
            for key in filter(None, keys):
                row = connection.execute(
                    "SELECT sha256, height, width, reason FROM photo WHERE path = ? AND file_size = ? AND mtime_ns = ?",
                    key,
                ).fetchone()
                if row and isinstance(row[0], str) and len(row[0]) == 64:
                    indexed[key] = PhotoFile(row[0], key[1], row[1], row[2], row[3])
    except sqlite3.OperationalError:
        pass  # locked, or a folder that cannot be written: another process's index is not ours to remove
    except (sqlite3.DatabaseError, OSError, TypeError):
        _forget()
        indexed.clear()
    return indexed


def _store(files: Iterable[tuple[_Key, PhotoFile]]) -> None:
    rows = [(*key, file.sha256, file.height, file.width, file.reason) for key, file in files]
    if not rows:
        return
    try:
        with _connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO photo VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    except sqlite3.OperationalError:
        pass
    except (sqlite3.DatabaseError, OSError):
        _forget()


def _index_path() -> Path:
    return cache_directory() / f"photo_index_v{INDEX_VERSION}.sqlite"


def _forget() -> None:
    """Remove a corrupt index, so that the next one is whole; one that cannot be removed is left alone."""
    with contextlib.suppress(OSError):
        _index_path().unlink(missing_ok=True)
