"""Prepared photographs: a split decoded at training size in one file, mapped into memory by all who train on it.

The file is the pixels of one photograph after the other, uint8 (H, W, 3); an index in JSON with, for each, sha256,
height, width and CRC-32; and a footer (`FOOTER`). It gets its name when it is complete and on the disk.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import operator
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from oldrestore.data.cache import cache_directory
from oldrestore.data.codecs.decode import UnreadablePhoto, read_photo_file
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.index import number_of_cores
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError, in_words
from oldrestore.files import lock, whole_file

PREPARED_VERSION = 1
"""To be raised when the file's form or what decoding gives changes: older files are then not found any more."""

MAGIC = b"oldrestore-photo"
FOOTER = struct.Struct("<Q32s16s")
"""End of the file: length of the index in bytes, sha256 of the index, `MAGIC`."""

PREPARE = "oldrestore data prepare"

Item = tuple[Photo, str]
Watch = Callable[[Iterable[Item]], Iterable[Item]]


class PreparedPhotos:
    """The photographs of one file, by the sha256 of the files that they were decoded from.

    Opening it checks index, key and length; a photograph's checksum is checked when it is first asked for. Processes
    that map the same file share its memory. `OSError` is raised if the file cannot be read, `UserError` if it is torn,
    or what it says that it holds is not `key` (see `prepared_key`).
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        self.path = path
        self.key = dict(key)
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if length < FOOTER.size:
                raise self._torn("it is too short")
            self._bytes = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        index_length, digest, magic = FOOTER.unpack(self._bytes[-FOOTER.size :].tobytes())
        if magic != MAGIC or index_length > length - FOOTER.size:
            raise self._torn("its end is not that of such a file")
        end = length - FOOTER.size - index_length
        text = self._bytes[end : length - FOOTER.size].tobytes()
        if hashlib.sha256(text).digest() != digest:
            raise self._torn("its index has another checksum")
        # sha256 -> offset, height, width, CRC-32
        self._places: dict[str, tuple[int, int, int, int]] = {}
        offset = 0
        try:
            index = json.loads(text)
            for sha256, height, width, checksum in index["photographs"]:
                self._places[sha256] = (offset, height, width, checksum)
                offset += operator.index(height) * operator.index(width) * 3
            stored_key = index["key"]
        except (KeyError, TypeError, ValueError) as error:
            raise self._torn("its index is not one of photographs") from error
        if stored_key != self.key:
            raise UserError(f"{path} does not hold the photographs that its name says: remove it, and run: {PREPARE}")
        if offset != end:
            raise self._torn(f"it holds {end} bytes of pixels, not {offset}")
        self._unchecked = set(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, sha256: str) -> np.ndarray:
        """Return a photograph, uint8 (H, W, 3), read-only, a view of the file; `UserError` if it is torn."""
        offset, height, width, checksum = self._places[sha256]
        pixels = self._bytes[offset : offset + height * width * 3]
        if sha256 in self._unchecked:
            if zlib.crc32(pixels) != checksum:
                raise self._torn("the pixels of a photograph have another checksum")
            self._unchecked.discard(sha256)
        return pixels.reshape(height, width, 3)

    def __reduce__(self) -> tuple:
        # A process that is not forked maps the file itself.
        return PreparedPhotos, (self.path, self.key)

    @property
    def nbytes(self) -> int:
        """Size of the file, bytes."""
        return self._bytes.nbytes

    def check_all(self) -> None:
        """Compare every photograph with its checksum; `UserError` at the first that differs."""
        for sha256 in self._places:
            self[sha256]

    def _torn(self, why: str) -> UserError:
        return UserError(
            f"the prepared photographs in {self.path} are torn ({why}): run '{PREPARE}' again with the same settings, "
            "or take dataset.prepared=off"
        )


def prepared_key(split: Split, crops: Crops) -> dict[str, Any]:
    """Return all that the pixels of prepared photographs depend on, as plain values.

    That is the photographs' contents (the split's fingerprint), the resizing, and the decoders: another version of
    libjpeg may round otherwise, and training with and without prepared photographs must stay the same.
    """
    from PIL import __version__ as pillow
    from PIL import features

    decoders = {name: features.version(name) for name in ("jpg", "libjpeg_turbo", "webp", "littlecms2")}
    return {
        "version": PREPARED_VERSION,
        "fingerprint": split.fingerprint,
        "resizing": crops.describe_resizing(),
        "decoders": {"pillow": pillow} | decoders,
    }


def prepared_path(split: Split, crops: Crops) -> Path:
    """Return where the prepared photographs of a split stand, whether or not they are there."""
    key = json.dumps(prepared_key(split, crops), sort_keys=True)
    return cache_directory() / "prepared" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.photographs"


def open_prepared(split: Split, crops: Crops) -> PreparedPhotos | None:
    """Open the prepared photographs of a split; None if there are none, or the split does not want them.

    `UserError` is raised if the file is torn or another's, or there is none and ``dataset.prepared=required``.
    """
    if split.prepared == "off" or not split.hashes:
        return None
    path = prepared_path(split, crops)
    try:
        return PreparedPhotos(path, prepared_key(split, crops))
    except OSError as error:
        if split.prepared == "required":
            raise UserError(
                f"the {len(split.photos)} photographs of {split.source} {split.name} are not prepared at this size "
                f"({path}: {in_words(error)}): run '{PREPARE}' with the same settings, or take dataset.prepared=auto"
            ) from error
        return None


@dataclass(frozen=True)
class Preparation:
    """What `prepare_photographs` returns: the file, and whether it had to be written."""

    photographs: PreparedPhotos
    fresh: bool


def prepare_photographs(split: Split, crops: Crops, watch: Watch = iter) -> Preparation:
    """Decode a split's photographs at training size into one file, unless that is there and whole.

    A second process that prepares the same photographs waits for the first and finds them done. Of `crops`, only the
    resizing to training size matters. `watch` passes on what it is given, and may show the progress. `UserError` is
    raised if a photograph cannot be read any more or has changed, or the disk is full or read-only.
    """
    path, key = prepared_path(split, crops), prepared_key(split, crops)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.with_suffix(".lock")):
            try:
                photographs = PreparedPhotos(path, key)
                photographs.check_all()
                return Preparation(photographs, fresh=False)
            except (UserError, FileNotFoundError):
                pass
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


def _write_all(file: BinaryIO, split: Split, crops: Crops, key: dict, watch: Watch) -> None:
    index = []
    items = sorted(zip(split.photos, split.hashes, strict=True), key=lambda item: item[1])
    with ThreadPoolExecutor(max_workers=min(8, number_of_cores())) as pool:
        for sha256, rgb in in_order(pool, lambda item: _decode(*item, crops), watch(items)):
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


def in_order(pool: ThreadPoolExecutor, work: Callable, items: Iterable, ahead: int = 32) -> Iterator:
    """Yield results of `work` in the order of the items, few of them at a time: `Executor.map` would keep all."""
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
