"""Holes and missing pieces within a photograph."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, Damage, Severity, between, drawn_count
from oldrestore.data.damage.blobs import draw_blob
from oldrestore.data.damage.raster import cover


class Holes(Damage):
    """Pieces of the emulsion that are gone: irregular patches of bare paper, or of what lies behind the print.

    Parameters
    ----------
    severity : float
        How many there are and how large.
    count : int
        Most holes on a photograph at severity 1; between half as many and these are drawn.
    radius : float
        Radius of the largest at severity 1, as a share of the shorter side.
    roughness : float
        How far an edge moves in and out, in radii.
    """

    kind = "holes"
    structured = True

    @checked
    def __init__(
        self,
        severity: Severity = 0.5,
        count: Count = 8,
        radius: Annotated[float, Field(gt=0, le=0.5)] = 0.1,
        roughness: Annotated[float, Field(ge=0, le=1)] = 0.6,
    ) -> None:
        super().__init__(severity)
        self.count = count
        self.radius = radius
        self.roughness = roughness

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        shown, total = drawn_count(rng, self.count, self.severity)
        # What lies behind is the same for all holes of a photograph: paper, or the scanner's lid or bed.
        behind = np.array([[236, 230, 216], [250, 250, 250], [24, 22, 20]])[rng.integers(0, 3)]
        seeds = rng.integers(0, 2**63, total)
        for seed in seeds[:shown]:
            hole_rng = np.random.default_rng(int(seed))
            radius = self.radius * min(rgb.shape[:2]) * between(hole_rng, 0.25, 1.0)
            blob = draw_blob(hole_rng, rgb.shape[:2], max(1.0, radius), 0.4 + 0.6 * self.severity, self.roughness)
            if blob is None:
                continue
            cover(rgb, mask, blob.stamp(), behind)
            # The torn layer shows as a thin bright rim.
            cover(rgb, mask, blob.ring(max(1.5, radius / 8)), np.array([238, 234, 226]), 0.7)
