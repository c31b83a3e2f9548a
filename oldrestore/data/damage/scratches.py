"""Scratches: thin, bright or dark, curved lines, some of them broken."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, ScatteredDamage, Share, between
from oldrestore.data.damage.noise import smooth_line
from oldrestore.data.damage.raster import arc, cover, direction, spacing_for, stroke


@checked
@dataclass
class Scratches(ScatteredDamage):
    """Thin lines through the emulsion: bright on a print, dark where a negative was scratched.

    Severity makes them more, wider and more opaque.
    """

    kind = "scratches"
    count: Count = 24
    # Of the widest at severity 1, as a share of the shorter side; no line is thinner than a pixel.
    width: Annotated[float, Field(gt=0, le=0.1)] = 0.006
    length: Annotated[float, Field(gt=0, le=2)] = 0.9  # of the longest, as a share of the longer side
    bend: Annotated[float, Field(ge=0, le=1)] = 0.15  # the highest; see `arc`
    dark: Share = 0.3  # share that are dark
    broken: Share = 0.3  # share that have gaps

    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: None) -> None:
        height, width = rgb.shape[:2]
        short, long = min(height, width), max(height, width)
        middle = rng.random(2) * [height, width]
        half = direction(rng) * (long * self.length / 2 * between(rng, 0.1, 1.0))
        spacing = spacing_for(self.width * short)
        points = arc(middle - half, middle + half, between(rng, -self.bend, self.bend), spacing)
        thickness = smooth_line(rng, len(points), max(4.0, short / 16) / spacing)
        widest = self.width * short / 2 * between(rng, 0.3, 1.0) * (0.5 + 0.5 * self.severity)
        radii = np.maximum(0.5, widest * (0.4 + 0.6 * thickness))
        breaks = smooth_line(rng, len(points), max(3.0, short / 32) / spacing) < 0.4
        if float(rng.random()) < self.broken:
            radii = np.where(breaks, 0.0, radii)
        level = int(rng.integers(0, 40)) if float(rng.random()) < self.dark else int(rng.integers(215, 256))
        opacity = between(rng, 0.5, 1.0) * (0.5 + 0.5 * self.severity)
        stamp = stroke(points, radii, 1.0, (height, width))
        cover(rgb, mask, stamp, np.full(3, level), opacity)
