"""Makes the file of prepared photographs of a split, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from oldrestore.data.codecs.decode import UnreadablePhoto, read_photo_file
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.prepared import FOOTER, MAGIC, PREPARE, PreparedPhotos, prepared_key, prepared_path
from oldrestore.data.sources.index import number_of_cores
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError, in_words
from oldrestore.files import lock, whole_file

Item = tuple[Photo, str]
Watch = Callable[[Iterable[Item]], Iterable[Item]]


@dataclass(frozen=True)
class Preparation:
    """What `prepare_photographs` gives back: the file, and whether it had to be made."""

    photographs: PreparedPhotos
    fresh: bool


def prepare_photographs(split: Split, crops: Crops, watch: Watch = iter) -> Preparation:
    """Decode a split's photographs at training size into one file, unless that is there and whole.

    The file gets its name when it is complete and on the disk. A second process that prepares the same photographs
    waits for the first and finds them done.

    Parameters
    ----------
    crops : Crops
        Only the resizing to training size matters.
    watch : callable
        Passes on what it is given; may show how far it is.

    Raises
    ------
    UserError
        A photograph cannot be read any more, or is not the one that was found; or the disk is full or read-only.
    """
    path, key = prepared_path(split, crops), prepared_key(split, crops)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.with_suffix(".lock")):
            found = _whole(path, key)
            if found is not None:
                return Preparation(found, fresh=False)
            for left_over in path.parent.glob(f"*{path.stem}.*.tmp"):  # of a process that was killed
                left_over.unlink(missing_ok=True)
            with whole_file(path) as neighbour, neighbour.open("wb") as file:
                _write_all(file, split, crops, key, watch)
                file.flush()
                os.fsync(file.fileno())
        return Preparation(PreparedPhotos(path, key), fresh=True)
    except OSError as error:
        raise UserError(
            f"the prepared photographs cannot be kept in {path.parent} ({in_words(error)}): "
            "make room, or name another folder by OLDRESTORE_CACHE"
        ) from error


def _whole(path: Path, key: dict) -> PreparedPhotos | None:
    try:
        found = PreparedPhotos(path, key)
        found.check_all()
    except (UserError, FileNotFoundError):
        return None
    return found


def _write_all(file: BinaryIO, split: Split, crops: Crops, key: dict, watch: Watch) -> None:
    index = []
    items = sorted(zip(split.photos, split.hashes, strict=True), key=lambda item: item[1])
    with ThreadPoolExecutor(max_workers=min(8, number_of_cores())) as pool:
        decoded = _in_order(pool, lambda item: _decode(*item, crops), watch(items))
        for sha256, rgb in decoded:
            pixels = np.ascontiguousarray(rgb)
            file.write(pixels.data)
            index.append([sha256, rgb.shape[0], rgb.shape[1], zlib.crc32(pixels)])
    text = json.dumps({"key": key, "photographs": index}).encode()
    file.write(text + FOOTER.pack(len(text), hashlib.sha256(text).digest(), MAGIC))


def _decode(photo: Photo, sha256: str, crops: Crops) -> tuple[str, np.ndarray]:
    try:
        data = read_photo_file(photo.path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UserError(f"the photograph {photo.name} ({photo.path}) has since changed: run {PREPARE} again")
        return sha256, crops.prepare_bytes(data)
    except UnreadablePhoto as problem:
        raise UserError(
            f"the photograph {photo.name} ({photo.path}) can no longer be read ({problem.reason}); repair or remove it"
        ) from problem


def _in_order(pool: ThreadPoolExecutor, work: Callable, items: Iterable, ahead: int = 32) -> Iterator:
    """Results of `work` in the order of the items, few of them at a time: `Executor.map` would keep all."""
    waiting: deque[Future] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
