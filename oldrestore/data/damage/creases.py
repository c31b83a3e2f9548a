"""Creases and fold lines: a cracked white line with a shadow on one side and a sheen on the other."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, ScatteredDamage, Share, between
from oldrestore.data.damage.noise import smooth_line
from oldrestore.data.damage.raster import arc, cover, direction, normals, spacing_for, stroke


@checked
@dataclass
class Creases(ScatteredDamage):
    """Lines along which a print was bent.

    Along the line the emulsion cracks and the paper shows; beside it the bent surface catches less light on one side
    and more on the other. A fold runs straight from edge to edge, a crease is shorter and curved. Severity makes them
    more, wider and more opaque. Widths are shares of the shorter side, at severity 1.
    """

    kind = "creases"
    count: Count = 6
    width: Annotated[float, Field(gt=0, le=0.1)] = 0.01  # of the cracked line, which has at least a pixel
    flank: Annotated[float, Field(ge=0, le=0.1)] = 0.015  # of the shadow on one side and the sheen on the other
    folds: Share = 0.5  # share of lines that are folds
    bend: Annotated[float, Field(ge=0, le=1)] = 0.2  # highest of a crease, in chords

    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: None) -> None:
        shape = rgb.shape[:2]
        short = min(shape)
        spacing = spacing_for(self.width * short)
        points = self._course(rng, *shape, spacing)
        grown = 0.5 + 0.5 * self.severity
        crack = smooth_line(rng, len(points), max(2.0, short / 48) / spacing)
        core = np.maximum(0.5, self.width * short / 2 * grown * (0.3 + 0.7 * crack))
        flank = max(0.5, self.flank * short / 2 * grown)
        paper = rng.integers(225, 256)
        side = 1 if rng.integers(0, 2) else -1
        # A flank's points may lie further apart than a thin line's, but at the same places for each severity.
        along = slice(None, None, max(1, int(self.flank * short / (8 * spacing))))
        beside = normals(points)[along] * (side * flank)
        if self.flank > 0:
            for offset, level, opacity in ((beside, 20, 0.55), (-beside, 245, 0.45)):
                centres = points[along] + offset
                stamp = stroke(centres, np.full(len(centres), flank), max(1.0, flank), shape)
                cover(rgb, mask, stamp, np.full(3, level), opacity * grown)
        stamp = stroke(points, np.where(crack < 0.15, 0.0, core), 1.0, shape)
        cover(rgb, mask, stamp, np.full(3, paper), 0.6 + 0.4 * self.severity)

    def _course(self, rng: np.random.Generator, height: int, width: int, spacing: float) -> np.ndarray:
        """Where the line runs, float64 (n, 2)."""
        short, long = min(height, width), max(height, width)
        middle = rng.random(2) * [height, width]
        straight = float(rng.random()) < self.folds
        if straight:
            # Mostly along the sides, as sheets are folded; a slope of up to a tenth.
            slope = between(rng, -0.1, 0.1)
            half = np.array([1.0, slope] if rng.integers(0, 2) else [slope, 1.0]) * (1.2 * long)
            bend = 0.0
        else:
            half = direction(rng) * (long * between(rng, 0.1, 0.4))
            bend = between(rng, -self.bend, self.bend)
        points = arc(middle - half, middle + half, bend, spacing)
        wander = smooth_line(rng, len(points), max(4.0, short / 20) / spacing) - 0.5
        return points + normals(points) * (wander * short * (0.006 if straight else 0.015))[:, None]
