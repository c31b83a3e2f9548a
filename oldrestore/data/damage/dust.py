"""Dust: specks and fibres that lay on a print or negative when it was copied."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, Damage, Severity, Share, between, drawn_count
from oldrestore.data.damage.raster import arc, cover, direction, stroke


class Dust(Damage):
    """Specks and short curly fibres, bright or dark.

    Parameters
    ----------
    severity : float
        How many there are, how large and how opaque.
    count : int
        Most on a photograph at severity 1; between half as many and these are drawn.
    radius : float
        Radius of the largest speck at severity 1, as a share of the shorter side; no speck is smaller than a pixel.
    fibres : float
        Share that are fibres.
    length : float
        Length of the longest fibre, as a share of the shorter side.
    dark : float
        Share that are dark.
    """

    kind = "dust"
    structured = True

    @checked
    def __init__(
        self,
        severity: Severity = 0.5,
        count: Count = 120,
        radius: Annotated[float, Field(gt=0, le=0.1)] = 0.005,
        fibres: Share = 0.15,
        length: Annotated[float, Field(gt=0, le=0.5)] = 0.06,
        dark: Share = 0.3,
    ) -> None:
        super().__init__(severity)
        self.count = count
        self.radius = radius
        self.fibres = fibres
        self.length = length
        self.dark = dark

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        shape = rgb.shape[:2]
        short = min(shape)
        shown, total = drawn_count(rng, self.count, self.severity)
        seeds = rng.integers(0, 2**63, total)
        for seed in seeds[:shown]:
            speck_rng = np.random.default_rng(int(seed))
            middle = speck_rng.random(2) * shape
            share, fibre, dark = speck_rng.random(3)
            along = direction(speck_rng)
            if fibre < self.fibres:
                half = along * (self.length * short / 2 * (0.3 + 0.7 * share))
                points = arc(middle - half, middle + half, between(speck_rng, -1.0, 1.0))
                radius = max(0.5, self.radius * short * 0.2)
            else:
                # A speck is a little longer than wide; small ones are many.
                radius = max(0.5, self.radius * short * (0.1 + 0.9 * share * share * share))
                points = arc(middle, middle + along * (radius * between(speck_rng, 0.1, 1.0)), 0.0)
            radius *= 0.6 + 0.4 * self.severity
            level = int(speck_rng.integers(0, 50)) if dark < self.dark else int(speck_rng.integers(205, 256))
            opacity = between(speck_rng, 0.55, 1.0) * (0.5 + 0.5 * self.severity)
            stamp = stroke(points, np.full(len(points), radius), 1.0, shape)
            if stamp is not None:
                cover(rgb, mask, stamp, np.full(3, level), opacity)
