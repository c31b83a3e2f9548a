"""Fills small holes by one method and large ones by another: what continues a line well invents no face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.holes import find_holes
from oldrestore.restoration.stages import Filler

Measure = Literal["depth", "area"]


@checked
@dataclass(frozen=True)
class FillBySize:
    """Fills each hole by the method for its size.

    The size is the largest ``depth`` of a hole, the distance of a pixel in it to a known one (a long scratch is a small
    hole), or its ``area``, in pixels.
    """

    small: Filler
    large: Filler
    largest_small: Annotated[float, Field(ge=0)]  # 0 makes every hole large
    measure: Measure = "depth"

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill."""
        small_hw = small_holes(mask_hw, self.largest_small, self.measure)
        filled = rgb_hw3
        # Small holes first: the large method may look far around it.
        for fill, part_hw in ((self.small, small_hw), (self.large, mask_hw & ~small_hw)):
            if part_hw.any():
                filled = fill(filled, part_hw)
        return filled.copy() if filled is rgb_hw3 else filled


def small_holes(mask_hw: np.ndarray, largest: float, measure: Measure = "depth") -> np.ndarray:
    """Return the holes of a mask up to a size, bool (H, W); arguments as for `FillBySize`."""
    labels, holes = find_holes(mask_hw)
    sizes = [hole.depth if measure == "depth" else hole.area for hole in holes]
    is_small = np.array([False, *(size <= largest for size in sizes)])
    return is_small[labels]
