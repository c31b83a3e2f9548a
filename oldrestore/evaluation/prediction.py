"""What a colorizer says of one photograph, and the photograph that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.color.lab import lab_to_rgb8

PIXELS_AT_ONCE = 2**20  # so that a scan of many megapixels needs little memory


@dataclass(frozen=True)
class ColorPrediction:
    """A colorizer's answer to one lightness channel.

    Attributes
    ----------
    ab_hw2 : ndarray
        Colour, float32 (H, W, 2), Lab units, as large as the lightness given.
    top_bins : ndarray or None
        int (h, w, 5), the five likeliest of the 313 bins, likeliest first, at the size the network predicts
        at; None when it does not predict bins.
    """

    ab_hw2: np.ndarray
    top_bins: np.ndarray | None = None


# Lightness channels float32 (H, W), 0..100, each of its own size -> one prediction for each, in order.
Colorize = Callable[[Sequence[np.ndarray]], list[ColorPrediction]]


def recolor(L_hw: np.ndarray, ab_hw2: np.ndarray) -> np.ndarray:
    """Join true lightness to predicted colour: uint8 sRGB (H, W, 3).

    Colours outside sRGB are clipped, so the lightness of a very saturated prediction may change.

    Parameters
    ----------
    L_hw : ndarray
        float32 (H, W), 0..100.
    ab_hw2 : ndarray
        float32 (H, W, 2), Lab units.

    Raises
    ------
    ValueError
        When the sizes differ or the colour is not finite.
    """
    if ab_hw2.shape != (*L_hw.shape, 2):
        raise ValueError(f"colour of shape {ab_hw2.shape} does not fit lightness of shape {L_hw.shape}")
    if not np.isfinite(ab_hw2).all():
        raise ValueError("the predicted colour is not finite everywhere")
    height, width = L_hw.shape
    joined = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, PIXELS_AT_ONCE // max(1, width))
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        lab = np.concatenate([L_hw[band, :, None], ab_hw2[band]], axis=-1, dtype=np.float32)
        joined[band] = lab_to_rgb8(lab)
    return joined
