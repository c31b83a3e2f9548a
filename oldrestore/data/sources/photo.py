"""One photograph of a data source: its name, its file and, where known, what it shows."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

PHOTO_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
"""File name endings, in lower case, that are taken for photographs."""


@dataclass(frozen=True)
class Photo:
    """A photograph file."""

    name: str  # unique and stable within its source, with forward slashes: ``ai_benchmark/enhancement/17.jpg``
    path: Path
    label: int | None = None  # ImageNet class index 0..999, or None if unknown
    also: tuple[int, ...] = ()  # further classes that count as right

    @property
    def classes(self) -> tuple[int, ...] | None:
        """Every class that counts as right, `label` first; None if unknown."""
        return None if self.label is None else (self.label, *self.also)

    @property
    def label_text(self) -> str:
        """The classes as fingerprints and `data.json` have them: ``-``, ``281`` or ``281,282``."""
        return "-" if self.label is None else ",".join(map(str, (self.label, *self.also)))


def printable(path: str | Path) -> str:
    """Name of a file as lists and files of ours show it, with forward slashes.

    Bytes that are not UTF-8, line breaks and other control characters become escapes: they would break lines and
    steer terminals.
    """
    text = os.fsencode(path.as_posix() if isinstance(path, Path) else path).decode("utf-8", "backslashreplace")
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in ("Cc", "Zl", "Zp")
        else character
        for character in text
    )
