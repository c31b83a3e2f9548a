"""What a bad input is: how it is made, and what must become of it."""

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

BLOCK = 16
ENDINGS = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp"}
JPEG_TOLERANCE = 4  # of `blocks` at quality 100
NO_STAGE = [word for stage in ("detect", "fill", "restore", "colorize") for word in ("--skip", stage)]


@dataclass(frozen=True)
class Case:
    """One input, and what must become of it."""

    kind: str  # a row of the table
    name: str | bytes  # bytes where it is not UTF-8
    content: bytes | Callable[[Path], None]  # or makes the entry, given its path
    # The upright sRGB photograph (H, W, 3) that must come out, from arithmetic that shares nothing with the decoder.
    rgb: np.ndarray | None = None
    tolerance: int = 0  # largest difference of a sample
    reason: str | None = None  # pattern of the report if it is left out; None: it must come out
    either: bool = False  # it may come out as well: damage that a format cannot notice

    @property
    def file_name(self) -> str:
        return os.fsdecode(self.name)

    def check_left_out(self, reason: str) -> None:
        """Fail unless it may be left out, for this reason: a short sentence in our own words."""
        assert self.reason is not None, f"{self.name!r} was left out ({reason}) and should have come out"
        assert re.search(self.reason, reason), f"{self.name!r}: {reason!r} does not say {self.reason!r}"
        assert 3 <= len(reason) <= 200 and "\n" not in reason and "Errno" not in reason, f"{self.name!r}: {reason!r}"

    def check_may_come_out(self) -> None:
        assert self.reason is None or self.either, f"{self.name!r} came out and should have been left out"

    def check_came_out(self, rgb: np.ndarray, tolerance: int = 0) -> None:
        """Fail unless it may come out, as this picture."""
        self.check_may_come_out()
        assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3, f"{self.name!r}: {rgb.dtype} {rgb.shape}"
        if self.rgb is not None:
            assert rgb.shape == self.rgb.shape, f"{self.name!r}: {rgb.shape} and not {self.rgb.shape}"
            worst = int(np.abs(rgb.astype(int) - self.rgb).max())
            assert worst <= self.tolerance + tolerance, f"{self.name!r} is wrong by {worst}"


def blocks(seed: int, rows: int = 2, columns: int = 3) -> np.ndarray:
    """Flat coloured blocks of 16 pixels, uint8: JPEG keeps their colours, and every turn shows."""
    colours = np.random.default_rng([seed, 9]).integers(24, 232, (rows, columns, 3), np.uint8)
    return colours.repeat(BLOCK, 0).repeat(BLOCK, 1)


def encoded(image: Image.Image | np.ndarray, format_: str, **options) -> bytes:
    """Encode a picture with Pillow."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    best = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True, "exact": True}}
    buffer = io.BytesIO()
    image.save(buffer, format_, **best.get(format_, {}) | options)
    return buffer.getvalue()


def jpeg(seed: int) -> bytes:
    """Encode `blocks` as JPEG."""
    return encoded(blocks(seed), "JPEG")


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, depth: int, color_type: int, compressed: bytes, *before: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file whose header declares this size, with chunks `before` its pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), *before, (b"IDAT", compressed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
