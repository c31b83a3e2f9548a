"""Fills small holes by one method and large ones by another: what continues a line well invents no face."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.base import Filler
from oldrestore.restoration.fill.holes import Hole, find_holes

Measure = Literal["depth", "area"]


class FillBySize:
    """Takes the mask apart and fills each hole by the method for its size.

    Parameters
    ----------
    largest_small : float
        A hole up to this size is small; 0 makes every hole large.
    measure : {"depth", "area"}
        What its size is: the largest distance of a pixel in it to what is known (a long scratch is a small hole),
        or how many pixels it has.
    """

    @checked
    def __init__(
        self,
        small: Filler,
        large: Filler,
        largest_small: Annotated[float, Field(ge=0)],
        measure: Measure = "depth",
    ) -> None:
        self.small = small
        self.large = large
        self.largest_small = largest_small
        self.measure = measure

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill; see `oldrestore.restoration.fill.base.Filler`."""
        small_hw = small_holes(mask_hw, self.largest_small, self.measure)
        filled = rgb_hw3
        # Small holes first: the large method may look far around it.
        for fill, part_hw in ((self.small, small_hw), (self.large, mask_hw & ~small_hw)):
            if part_hw.any():
                filled = fill(filled, part_hw)
        return filled.copy() if filled is rgb_hw3 else filled


def small_holes(mask_hw: np.ndarray, largest: float, measure: Measure = "depth") -> np.ndarray:
    """The part of a mask that is holes up to a size, bool (H, W); arguments as for `FillBySize`."""
    labels, holes = find_holes(mask_hw)
    is_small = np.array([False, *(size_of(hole, measure) <= largest for hole in holes)])
    return is_small[labels]


def size_of(hole: Hole, measure: Measure) -> float:
    """Size of a hole, in pixels, by one of the measures of `FillBySize`."""
    return hole.depth if measure == "depth" else hole.area
