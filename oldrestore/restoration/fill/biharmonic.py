"""Fills holes so that colour and its slope continue smoothly: best in small and thin holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field
from skimage.restoration import inpaint_biharmonic

from oldrestore.config.values import checked
from oldrestore.restoration.fill.pieces import fill_in_pieces

MARGIN = 4  # the operator reaches 2 pixels; the rest keeps it off the edge of the piece


@checked
@dataclass(frozen=True)
class Biharmonic:
    """Solution of the biharmonic equation in each hole, by `skimage.restoration.inpaint_biharmonic`.

    It overshoots where a slope runs into a hole, so it is clipped to the range of the pixels around the hole.
    Source: Damelin, Hoang, *On surface completion and image inpainting by biharmonic functions: numerical aspects*,
    International Journal of Mathematics and Mathematical Sciences, 2018.
    """

    # Unknown pixels solved at once; larger holes start at a coarser scale. Time and memory grow faster than this.
    largest: Annotated[int, Field(ge=64, le=1_000_000)] = 20_000

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill."""
        return fill_in_pieces(rgb_hw3, mask_hw, _solve, MARGIN, self.largest)


def _solve(picture_hwc: np.ndarray, hole_hw: np.ndarray) -> np.ndarray:
    if not hole_hw.any():
        return picture_hwc
    filled = inpaint_biharmonic(picture_hwc.astype(np.float64) / 255.0, hole_hw, channel_axis=-1)
    around = (cv2.dilate(hole_hw.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~hole_hw
    low, high = picture_hwc[around].min(axis=0), picture_hwc[around].max(axis=0)
    return np.where(hole_hw[..., None], np.clip(filled * 255.0, low, high), picture_hwc).astype(np.float32)
