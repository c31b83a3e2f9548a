"""Holes and missing pieces within a photograph."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, ScatteredDamage, between, draw_ground
from oldrestore.data.damage.blobs import draw_blob
from oldrestore.data.damage.raster import cover


@checked
@dataclass
class Holes(ScatteredDamage):
    """Pieces of the emulsion that are gone: irregular patches of bare paper, or of what lies behind the print.

    Severity makes them more and larger.
    """

    kind = "holes"
    count: Count = 8
    radius: Annotated[float, Field(gt=0, le=0.5)] = 0.1  # of the largest at severity 1, of the shorter side
    roughness: Annotated[float, Field(ge=0, le=1)] = 0.6  # how far an edge moves in and out, in radii

    def _draw_shared(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return draw_ground(rng)

    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: np.ndarray) -> None:
        radius = self.radius * min(rgb.shape[:2]) * between(rng, 0.25, 1.0)
        blob = draw_blob(rng, rgb.shape[:2], max(1.0, radius), 0.4 + 0.6 * self.severity, self.roughness)
        if blob is not None:
            cover(rgb, mask, blob.stamp(), shared)
            # The torn layer shows as a thin bright rim.
            cover(rgb, mask, blob.ring(max(1.5, radius / 8)), np.array([238, 234, 226]), 0.7)
