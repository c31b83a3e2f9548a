"""EXIF orientation: where row 0 and column 0 of a file stand."""

from __future__ import annotations

import numpy as np
from PIL import Image

ORIENTATION_TAG = 0x0112


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of a picture, 1..8; 1 (upright) if it has none or a broken one."""
    try:
        return checked_orientation(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 (broken EXIF raises nearly anything, and must not cost the photograph)
        return 1


def checked_orientation(value: object) -> int:
    """Return an orientation as it stands in a file, or 1 if there is no such orientation."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn_upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (EXIF 2.3, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    return rgb
