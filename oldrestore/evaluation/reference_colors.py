"""Colours that need no network: one for the whole photograph, or what is left of the photograph's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import cv2
import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.prediction import recolor

Color = tuple[float, float]  # ab, Lab units
Coloring = Color | str
"""One colour for every pixel, or a name of `OF_ORIGINAL`."""

GRAY = (0.0, 0.0)
# The tints that are tried, Lab units, gray among them: most photographs lean a little to yellow and red.
TINTS = tuple((a, b) for a in (-8.0, -4.0, 0.0, 4.0, 8.0) for b in (-12.0, -6.0, 0.0, 6.0, 12.0, 18.0))


def quarter_of_chroma(ab_hw2: np.ndarray) -> np.ndarray:
    """Every hue is right, and too pale: the original's ab times 0.25."""
    return np.float32(0.25) * ab_hw2


def eighth_of_resolution(ab_hw2: np.ndarray) -> np.ndarray:
    """Colour without detail: the means of 8 x 8 pixels, brought back to full size bilinearly.

    A side that is no multiple of 8 has blocks of nearly 8 pixels, whose means weigh cut pixels by their area.
    """
    height, width = ab_hw2.shape[:2]
    small = (max(1, round(width / 8)), max(1, round(height / 8)))
    means = cv2.resize(np.ascontiguousarray(ab_hw2, dtype=np.float32), small, interpolation=cv2.INTER_AREA)
    return cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR)


# In the order of tables.
OF_ORIGINAL: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "quarter_chroma": quarter_of_chroma,
    "eighth_resolution": eighth_of_resolution,
    "original": lambda ab_hw2: ab_hw2,
}


def recolored(lab_hw3: np.ndarray, coloring: Coloring) -> np.ndarray:
    """Return a photograph, Lab (H, W, 3), in other colours: uint8 sRGB (H, W, 3)."""
    ab_hw2 = lab_hw3[..., 1:]
    if isinstance(coloring, str):
        return recolor(lab_hw3[..., 0], OF_ORIGINAL[coloring](ab_hw2))
    return recolor(lab_hw3[..., 0], np.broadcast_to(np.float32(coloring), ab_hw2.shape))


def mean_color(photos: Iterable[np.ndarray]) -> Color:
    """Mean ab over photographs, uint8 (H, W, 3), each of which counts the same."""
    means = np.array([rgb_to_lab(rgb)[..., 1:].mean(axis=(0, 1), dtype=np.float64) for rgb in photos])
    a, b = means.mean(axis=0)
    return float(a), float(b)
