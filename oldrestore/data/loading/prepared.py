"""Prepared photographs: a split decoded at training size in one file, mapped into memory by all who train on it."""

from __future__ import annotations

import hashlib
import json
import mmap
import operator
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.data.cache import cache_directory
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError, in_words

PREPARED_VERSION = 1
"""To be raised when the file's form or what decoding gives changes: older files are then not found any more."""

MAGIC = b"oldrestore-photo"
FOOTER = struct.Struct("<Q32s16s")
"""End of the file: length of the index in bytes, sha256 of the index, `MAGIC`."""

PREPARE = "oldrestore data prepare"


class PreparedPhotos:
    """The photographs of one file, by the sha256 of the files that they were decoded from.

    The file is the pixels of one photograph after the other, uint8 (H, W, 3); an index in JSON with, for each, sha256,
    height, width and CRC-32; and a footer (`FOOTER`). Opening it checks index, key and length; a photograph's
    checksum is checked when it is first asked for. Processes that map the same file share its memory.

    Parameters
    ----------
    key : mapping
        What the file must say that it holds: see `prepared_key`.

    Raises
    ------
    OSError
        The file cannot be read.
    UserError
        It is torn, or holds other photographs or another size.
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
            found = index["key"]
        except (KeyError, TypeError, ValueError) as error:
            raise self._torn("its index is not one of photographs") from error
        if found != self.key:
            raise UserError(f"{path} does not hold the photographs that its name says: remove it, and run: {PREPARE}")
        if offset != end:
            raise self._torn(f"it holds {end} bytes of pixels, not {offset}")
        self._unchecked = set(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def __getitem__(self, sha256: str) -> np.ndarray:
        """Return a photograph, uint8 (H, W, 3), 0..255, contiguous, read-only: a view of the file.

        Raises
        ------
        UserError
            Its pixels are not those that were written.
        """
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

    Raises
    ------
    UserError
        The file is torn or another's; or there is none and ``dataset.prepared=required``.
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
