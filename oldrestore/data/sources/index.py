"""What is known of photograph files (content hash, size, readable, gray, like others), found out once and kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from oldrestore.data.cache import cache_directory
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes, decode_photo, read_photo_file
from oldrestore.data.sources.similarity import SIDE, near_duplicates, thumbnail

INDEX_VERSION = 3
"""To be raised when `decode` reads other files, or near-duplicates are others, so that old findings are forgotten."""

LOCK_TIMEOUT = 5.0
"""Seconds that one process waits for another that writes the index, before it goes on without."""

GRAY = 8
"""Steps of 8 bits by which the channels of a gray photograph may be apart, as after saving it as JPEG in colour."""

PROGRESS_INTERVAL = 10.0
"""Seconds between two progress messages on a large folder."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotoFile:
    """What a photograph file holds: content hash (None if it cannot be read), size in bytes, upright pixels.

    `reason` says why it cannot be decoded; None if it can. `gray` is whether it has no colour, as `is_gray` says.
    """

    sha256: str | None
    bytes: int = 0
    height: int = 0
    width: int = 0
    reason: str | None = None
    gray: bool = False


def examine(path: Path) -> PhotoFile:
    """Hash and fully decode one file."""
    try:
        data = read_photo_file(path)
    except UnreadablePhoto as problem:
        return PhotoFile(sha256=None, reason=problem.reason)
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        pixels = decode_bytes(data)
    except UnreadablePhoto as problem:
        return PhotoFile(sha256=sha256, bytes=len(data), reason=problem.reason)
    return PhotoFile(sha256, len(data), *pixels.shape[:2], gray=is_gray(pixels))


def is_gray(rgb: np.ndarray) -> bool:
    """Say whether a photograph, uint8 (h, w, 3), is gray: channels `GRAY` apart on at most 1% of its area.

    Areas of at least a 64th of the shorter side are averaged before, so that the noise of a JPEG file is no colour.
    Sepia is one.
    """
    small = np.asarray(Image.fromarray(rgb).reduce(max(1, min(rgb.shape[:2]) // 64)))
    return bool((np.ptp(small, axis=2) > GRAY).mean() <= 0.01)


def examine_all(paths: Sequence[Path]) -> list[PhotoFile]:
    """Examine files in threads; those unchanged since an earlier call come from the index at once.

    The index is a SQLite file in `cache_directory`, keyed by absolute path, file size and modification
    time in nanoseconds. It is only ever a shortcut: if it cannot be read or written, the files are examined again.
    """
    keys = [_key(path) for path in paths]
    indexed = _load(keys)
    missing = [number for number, key in enumerate(keys) if key is None or key not in indexed]
    fresh = dict(zip(missing, _in_threads(examine, [paths[number] for number in missing]), strict=True))
    _store((keys[number], file) for number, file in fresh.items() if keys[number] and file.sha256)
    return [fresh[number] if number in fresh else indexed[key] for number, key in enumerate(keys)]


def near_duplicates_of(paths: Sequence[Path], hashes: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of near-duplicates among readable photographs by their places, as `near_duplicates` finds them.

    `hashes`, of the files' contents, are sorted. Pairs are kept in the index for these contents, and thumbnails for
    each of them.
    """
    key = hashlib.sha256("".join(hashes).encode("ascii")).hexdigest()
    with _forgiven(), _connection() as connection:
        row = connection.execute("SELECT pairs FROM near WHERE photographs = ?", (key,)).fetchone()
        if row:
            return [(one, other) for one, other in json.loads(row[0])]
    pairs = near_duplicates(_thumbnails_of(paths, hashes))
    with _forgiven(), _connection() as connection:
        connection.execute("INSERT OR REPLACE INTO near VALUES (?, ?)", (key, json.dumps(pairs)))
    return pairs


def _thumbnails_of(paths: Sequence[Path], hashes: Sequence[str]) -> np.ndarray:
    """Thumbnails, uint8 (n, SIDE, SIDE)."""
    indexed: dict[str, np.ndarray] = {}
    with _forgiven(indexed), _connection() as connection:
        for sha256 in hashes:
            row = connection.execute("SELECT pixels FROM thumbnail WHERE sha256 = ?", (sha256,)).fetchone()
            if row and len(row[0]) == SIDE**2:
                indexed[sha256] = np.frombuffer(row[0], np.uint8).reshape(SIDE, SIDE)
    missing = {sha256: path for sha256, path in zip(hashes, paths, strict=True) if sha256 not in indexed}
    made = _in_threads(lambda path: thumbnail(decode_photo(path)), list(missing.values()))
    fresh = dict(zip(missing, made, strict=True))
    with _forgiven(), _connection() as connection:
        rows = [(sha256, pixels.tobytes()) for sha256, pixels in fresh.items()]
        connection.executemany("INSERT OR REPLACE INTO thumbnail VALUES (?, ?)", rows)
    return np.stack([fresh[sha256] if sha256 in fresh else indexed[sha256] for sha256 in hashes])


_Found = TypeVar("_Found")
_Key = tuple[bytes, int, int]


def _key(path: Path) -> _Key | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return os.fsencode(os.path.abspath(path)), status.st_size, status.st_mtime_ns  # noqa: PTH100 (links stay)


def _in_threads(look: Callable[[Path], _Found], paths: Sequence[Path]) -> list[_Found]:
    if not paths:
        return []
    files = []
    last_message = time.monotonic()
    # Pillow's decoders and hashlib release the interpreter lock; more threads than cores only cost memory.
    with ThreadPoolExecutor(max_workers=min(8, number_of_cores())) as pool:
        for number, photo_file in enumerate(pool.map(look, paths), start=1):
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
            "sha256 TEXT, height INTEGER, width INTEGER, reason TEXT, gray INTEGER)"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS thumbnail (sha256 TEXT PRIMARY KEY, pixels BLOB)")
        connection.execute("CREATE TABLE IF NOT EXISTS near (photographs TEXT PRIMARY KEY, pairs TEXT)")
        yield connection


@contextlib.contextmanager
def _forgiven(indexed: dict | None = None) -> Iterator[None]:
    """Go on without an index that cannot be used; one that is corrupt is removed, and what was read of it forgotten."""
    try:
        yield
    except sqlite3.OperationalError:
        pass  # locked, or a folder that cannot be written: another process's index is not ours to remove
    except (sqlite3.DatabaseError, OSError, TypeError, ValueError):
        _forget()
        if indexed is not None:
            indexed.clear()


def _load(keys: Iterable[_Key | None]) -> dict[_Key, PhotoFile]:
    indexed: dict[_Key, PhotoFile] = {}
    asked = "SELECT sha256, height, width, reason, gray FROM photo WHERE path = ? AND file_size = ? AND mtime_ns = ?"
    with _forgiven(indexed), _connection() as connection:
        for key in filter(None, keys):
            row = connection.execute(asked, key).fetchone()
            if row and isinstance(row[0], str) and len(row[0]) == 64:
                indexed[key] = PhotoFile(row[0], key[1], *row[1:4], bool(row[4]))
    return indexed


def _store(files: Iterable[tuple[_Key, PhotoFile]]) -> None:
    rows = [(*key, file.sha256, file.height, file.width, file.reason, file.gray) for key, file in files]
    if rows:
        with _forgiven(), _connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _index_path() -> Path:
    return cache_directory() / f"photo_index_v{INDEX_VERSION}.sqlite"


def _forget() -> None:
    """Remove a corrupt index, so that the next one is whole; one that cannot be removed is left alone."""
    with contextlib.suppress(OSError):
        _index_path().unlink(missing_ok=True)
