"""What a bad input is: how it is made, and what must become of it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

BLOCK = 16


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes
    ----------
    kind : str
        The class of inputs it belongs to: a row of the table.
    name : bytes
        File name; bytes, because names need not be UTF-8.
    content : bytes or callable
        What stands in the file; or makes the entry, given its path.
    rgb : ndarray, optional
        The upright sRGB photograph (H, W, 3) that must come out of it, from arithmetic that shares nothing with the
        decoder.
    tolerance : int
        Largest difference of a sample.
    reason : str, optional
        What the report must say when it is left out (a regular expression); None when it must come out.
    either : bool
        Whether it may come out as well: damage that a format cannot notice.
    """

    kind: str
    name: bytes
    content: bytes | Callable[[Path], None]
    rgb: np.ndarray | None = None
    tolerance: int = 0
    reason: str | None = None
    either: bool = False

    def path_in(self, folder: Path) -> Path:
        """Where it stands in a folder."""
        return folder / os.fsdecode(self.name)

    @property
    def printed(self) -> str:
        """The name as reports show it."""
        return self.name.decode("utf-8", "backslashreplace")

    def check_left_out(self, reason: str) -> None:
        """Fail unless it may be left out, for this reason."""
        assert self.reason is not None, f"{self.printed} was left out ({reason}) and should have come out"
        assert re.search(self.reason, reason), f"{self.printed}: {reason!r} does not say {self.reason!r}"
        assert 3 <= len(reason) <= 200, f"{self.printed}: {reason!r} is no short sentence"
        assert "\n" not in reason, f"{self.printed}: {reason!r} is not one line"
        assert "Errno" not in reason, f"{self.printed}: {reason!r} is the system's word, not ours"

    def check_came_out(self, rgb: np.ndarray, tolerance: int = 0) -> None:
        """Fail unless it may come out, as this picture."""
        assert self.reason is None or self.either, f"{self.printed} came out and should have been left out"
        assert rgb.dtype == np.uint8, f"{self.printed}: {rgb.dtype}"
        assert rgb.ndim == 3 and rgb.shape[2] == 3, f"{self.printed}: {rgb.shape}"
        if self.rgb is not None:
            assert rgb.shape == self.rgb.shape, f"{self.printed}: {rgb.shape} and not {self.rgb.shape}"
            worst = int(np.abs(rgb.astype(int) - self.rgb).max())
            assert worst <= self.tolerance + tolerance, f"{self.printed} is wrong by {worst}"


def blocks(seed: int, rows: int = 2, columns: int = 3) -> np.ndarray:
    """Flat coloured blocks of 16 pixels, uint8: JPEG keeps their colours, and every turn shows."""
    colours = np.random.default_rng([seed, 9]).integers(24, 232, (rows, columns, 3), np.uint8)
    return colours.repeat(BLOCK, 0).repeat(BLOCK, 1)


def encoded(image: Image.Image | np.ndarray, format_: str, **options) -> bytes:
    """Encode a picture with Pillow."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if format_ == "JPEG":
        options = {"quality": 100, "subsampling": 0} | options
    if format_ == "WEBP":
        options = {"lossless": True, "exact": True} | options
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def jpeg(seed: int) -> bytes:
    """Encode `blocks` as JPEG."""
    return encoded(blocks(seed), "JPEG")
