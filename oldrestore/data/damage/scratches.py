"""Scratches: thin, bright or dark, curved lines, some of them broken."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, Damage, Severity, Share, between, drawn_count
from oldrestore.data.damage.noise import smooth_line
from oldrestore.data.damage.raster import arc, cover, direction, spacing_for, stroke


class Scratches(Damage):
    """Thin lines through the emulsion: bright on a print, dark where a negative was scratched.

    Parameters
    ----------
    severity : float
        How many there are, how wide and how opaque.
    count : int
        Most scratches on a photograph at severity 1; between half as many and these are drawn.
    width : float
        Width of the widest at severity 1, as a share of the shorter side; no line is thinner than a pixel.
    length : float
        Length of the longest, as a share of the longer side.
    bend : float
        Highest bend: how far the middle of a curve's control polygon lies beside its chord, in chords.
    dark : float
        Share of scratches that are dark.
    broken : float
        Share of scratches that have gaps.
    """

    kind = "scratches"
    structured = True

    @checked
    def __init__(
        self,
        severity: Severity = 0.5,
        count: Count = 24,
        width: Annotated[float, Field(gt=0, le=0.1)] = 0.006,
        length: Annotated[float, Field(gt=0, le=2)] = 0.9,
        bend: Annotated[float, Field(ge=0, le=1)] = 0.15,
        dark: Share = 0.3,
        broken: Share = 0.3,
    ) -> None:
        super().__init__(severity)
        self.count = count
        self.width = width
        self.length = length
        self.bend = bend
        self.dark = dark
        self.broken = broken

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        shown, total = drawn_count(rng, self.count, self.severity)
        seeds = rng.integers(0, 2**63, total)
        for seed in seeds[:shown]:
            self._scratch(rgb, mask, np.random.default_rng(int(seed)))

    def _scratch(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
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
        if stamp is not None:
            cover(rgb, mask, stamp, np.full(3, level), opacity)
