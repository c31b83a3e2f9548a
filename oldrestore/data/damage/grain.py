"""Film grain and the noise of a sensor or scanner."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage
from oldrestore.data.damage.blur import blur_plane
from oldrestore.data.damage.mixing import bands, luma
from oldrestore.data.damage.noise import bell

Deviation = Annotated[float, Field(gt=0, le=128)]  # standard deviation at severity 1, 0..255


@checked
@dataclass
class Grain(Damage):
    """Film grain: clumps of the same lightness in every channel, strongest in the middle tones."""

    kind = "grain"
    deviation: Deviation = 26.0  # in the middle tones; black and white have a quarter of it
    # Standard deviation of a clump's outline, as a share of the shorter side; 0 is a pixel.
    size: Annotated[float, Field(ge=0, le=0.05)] = 0.002

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        grain = blur_plane(bell(rng, rgb.shape[:2]).astype(np.int32) * 16, self.size * min(rgb.shape[:2]))
        unit = 1024 * self.severity * self.deviation / _deviation(grain)
        for rows in bands(rgb.shape[0]):
            light = luma(rgb[rows])
            middle = 64 + 192 * (light * (255 - light) * 4) // (255 * 255)  # of 256
            added = _rounded(grain[rows] * unit * middle, 256 * 1024)
            rgb[rows] = np.clip(rgb[rows] + added[..., None], 0, 255)


@checked
@dataclass
class Noise(Damage):
    """Noise of each pixel and channel for itself, close to normal."""

    kind = "noise"
    deviation: Deviation = 40.0
    monochrome: bool = False  # the same noise in the three channels

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        unit = 4096 * self.severity * self.deviation / math.sqrt(4 * (256 * 256 - 1) / 12)
        for rows in bands(rgb.shape[0]):
            shape = (*rgb[rows].shape[:2], 1 if self.monochrome else 3)
            rgb[rows] = np.clip(rgb[rows] + _rounded(bell(rng, shape) * unit, 4096), 0, 255)


def _deviation(field: np.ndarray) -> float:
    """Root of the mean square, summed in whole numbers; 1 where the field is 0."""
    wide = field.astype(np.int64)
    return math.sqrt(int((wide * wide).sum()) / field.size) or 1.0


def _rounded(values: np.ndarray, parts: int) -> np.ndarray:
    """Nearest whole number of values given in 1/`parts`."""
    return np.floor(values / parts + 0.5).astype(np.int32)
