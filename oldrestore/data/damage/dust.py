"""Dust: specks and fibres that lay on a print or negative when it was copied."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, ScatteredDamage, Share, between
from oldrestore.data.damage.raster import arc, cover, direction, stroke


@checked
@dataclass
class Dust(ScatteredDamage):
    """Specks and short curly fibres, bright or dark; severity makes them more, larger and more opaque.

    Lengths are shares of the shorter side, at severity 1.
    """

    kind = "dust"
    count: Count = 120
    radius: Annotated[float, Field(gt=0, le=0.1)] = 0.005  # of the largest speck; none is smaller than a pixel
    fibres: Share = 0.15  # share that are fibres
    length: Annotated[float, Field(gt=0, le=0.5)] = 0.06  # of the longest fibre
    dark: Share = 0.3  # share that are dark

    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: None) -> None:
        shape = rgb.shape[:2]
        short = min(shape)
        middle = rng.random(2) * shape
        share, fibre, dark = rng.random(3)
        along = direction(rng)
        if fibre < self.fibres:
            half = along * (self.length * short / 2 * (0.3 + 0.7 * share))
            points = arc(middle - half, middle + half, between(rng, -1.0, 1.0))
            radius = max(0.5, self.radius * short * 0.2)
        else:
            # A speck is a little longer than wide; small ones are many.
            radius = max(0.5, self.radius * short * (0.1 + 0.9 * share * share * share))
            points = arc(middle, middle + along * (radius * between(rng, 0.1, 1.0)), 0.0)
        radius *= 0.6 + 0.4 * self.severity
        level = int(rng.integers(0, 50)) if dark < self.dark else int(rng.integers(205, 256))
        opacity = between(rng, 0.55, 1.0) * (0.5 + 0.5 * self.severity)
        stamp = stroke(points, np.full(len(points), radius), 1.0, shape)
        cover(rgb, mask, stamp, np.full(3, level), opacity)
