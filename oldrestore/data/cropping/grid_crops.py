"""Training crops from a fixed set of places, so that what is computed from a crop can be stored."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.cropping.crops import RESIZE_FILTER, Crops

# Bases of the Halton sequence along scale, down and right: neighbouring numbers of it fill a cube evenly.
HALTON_BASES = (2, 3, 5)


@checked
@dataclass
class GridCrops(Crops):
    """Squares of `variants` places and sizes, the same in every epoch and every run, plain or mirrored.

    Variant v is a square whose side lies between `smallest` and 1 of the shorter side, at a place that follows,
    like its side, from the v-th point of a Halton sequence; it is resized to `crop` pixels. With mirroring, a
    photograph has 2 x `variants` different crops in all. `size` limits the detail that crops are cut from; for the
    other settings see `Crops`.
    """

    variants: Annotated[int, Field(ge=1, le=4096)] = 16
    smallest: Annotated[float, Field(gt=0, le=1)] = 0.6

    def train(self, rgb_prepared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cut one of the squares, drawn at random, uint8 (crop, crop, 3), contiguous."""
        place, flip = rng.random(2)
        square = self.variant(rgb_prepared, int(place * self.variants))
        return cv2.flip(square, 1) if self.mirror and flip < 0.5 else square

    def variant(self, rgb_prepared: np.ndarray, number: int) -> np.ndarray:
        """Cut square `number`, 0 to variants - 1, not mirrored; uint8 (crop, crop, 3)."""
        height, width = rgb_prepared.shape[:2]
        scale, down, right = (_halton(number + 1, base) for base in HALTON_BASES)
        side = min(height, width) * (self.smallest + (1.0 - self.smallest) * scale)
        top, left = down * (height - side), right * (width - side)
        picture = Image.fromarray(rgb_prepared)
        box = (left, top, left + side, top + side)
        return np.asarray(picture.resize((self.crop, self.crop), RESIZE_FILTER, box=box))


def _halton(number: int, base: int) -> float:
    """Point `number` (from 1) of the van der Corput sequence: its digits in `base`, behind the point, reversed."""
    value, share = 0.0, 1.0
    while number:
        number, digit = divmod(number, base)
        share /= base
        value += digit * share
    return value
