"""One photograph of a data source: its name, its file and, where known, what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PHOTO_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
"""File name endings, in lower case, that are taken for photographs."""


@dataclass(frozen=True)
class Photo:
    """A photograph file.

    Attributes
    ----------
    name : str
        Unique and stable within its source, with forward slashes, for example
        ``ai_benchmark/enhancement/17.jpg``.
    path : Path
        The file.
    label : int or None
        ImageNet class index 0..999, or None where it is not known.
    """

    name: str
    path: Path
    label: int | None = None
