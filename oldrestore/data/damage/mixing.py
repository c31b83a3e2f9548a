"""Mixes colours in whole numbers, a band of rows at a time so that large scans need little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

PARTS = 4096  # a weight is so many parts of a whole
ROWS = 256


def bands(height: int) -> Iterator[slice]:
    """Rows of a photograph in bands of `ROWS`."""
    for top in range(0, height, ROWS):
        yield slice(top, min(height, top + ROWS))


def mix(rgb: np.ndarray, other: Callable[[slice], np.ndarray], weight: Callable[[slice], np.ndarray | int]) -> None:
    """Mix a photograph, uint8 (H, W, 3), with something else, in place.

    Of a band of rows, `other` returns its values, int32 0..255, and `weight` its weight, int32 0..`PARTS`, both
    broadcast to (h, W, 3).
    """
    for rows in bands(rgb.shape[0]):
        share, pixels = weight(rows), rgb[rows].astype(np.int32)
        rgb[rows] = (pixels * (PARTS - share) + other(rows) * share + PARTS // 2) // PARTS


def luma(rgb: np.ndarray) -> np.ndarray:
    """Weighted mean of the channels (ITU-R BT.601 weights in 1/256), int32 (H, W), 0..255; gray stays what it is."""
    wide = rgb.astype(np.int32)
    return (77 * wide[..., 0] + 150 * wide[..., 1] + 29 * wide[..., 2] + 128) >> 8
