"""Stains with tide lines, and foxing: the rusty spots of damp paper."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, Damage, Severity, Share, between, drawn_count
from oldrestore.data.damage.blobs import draw_blob
from oldrestore.data.damage.raster import Stroke, cover


class Stains(Damage):
    """Dried liquid: brownish patches, darker where their edge dried last.

    Parameters
    ----------
    severity : float
        How many there are, how large and how dark.
    count : int
        Most stains on a photograph at severity 1; between half as many and these are drawn.
    radius : float
        Radius of the largest at severity 1, as a share of the shorter side.
    strength : float
        Opacity of the darkest at severity 1.
    """

    kind = "stains"
    structured = True

    @checked
    def __init__(
        self,
        severity: Severity = 0.5,
        count: Count = 6,
        radius: Annotated[float, Field(gt=0, le=1)] = 0.22,
        strength: Share = 0.7,
    ) -> None:
        super().__init__(severity)
        self.count = count
        self.radius = radius
        self.strength = strength

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        shown, total = drawn_count(rng, self.count, self.severity)
        seeds = rng.integers(0, 2**63, total)
        for seed in seeds[:shown]:
            stain_rng = np.random.default_rng(int(seed))
            radius = max(1.0, self.radius * min(rgb.shape[:2]) * between(stain_rng, 0.2, 1.0))
            opacity = self.strength * between(stain_rng, 0.4, 1.0) * (0.4 + 0.6 * self.severity)
            tint = np.array([178, 128, 66]) - stain_rng.integers(0, 40, 3)
            blob = draw_blob(stain_rng, rgb.shape[:2], radius, 0.5 + 0.5 * self.severity)
            if blob is not None:
                soak(rgb, mask, blob.stamp(max(1.0, radius / 12)), tint, opacity)
                soak(rgb, mask, blob.ring(max(1.5, radius / 9)), tint, opacity * 0.8)


class Foxing(Damage):
    """Rusty spots, most of them in clusters.

    Parameters
    ----------
    severity : float
        How many there are, how large and how dark.
    count : int
        Most spots on a photograph at severity 1; between half as many and these are drawn.
    radius : float
        Radius of the largest at severity 1, as a share of the shorter side; at least a pixel.
    clustered : float
        Share of spots that lie in one of four clusters.
    """

    kind = "foxing"
    structured = True

    @checked
    def __init__(
        self,
        severity: Severity = 0.5,
        count: Count = 160,
        radius: Annotated[float, Field(gt=0, le=0.2)] = 0.014,
        clustered: Share = 0.7,
    ) -> None:
        super().__init__(severity)
        self.count = count
        self.radius = radius
        self.clustered = clustered

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        shape = rgb.shape[:2]
        shown, total = drawn_count(rng, self.count, self.severity)
        clusters = rng.random((4, 2)) * shape
        seeds = rng.integers(0, 2**63, total)
        for seed in seeds[:shown]:
            spot_rng = np.random.default_rng(int(seed))
            centre = spot_rng.random(2) * shape
            around = clusters[spot_rng.integers(0, 4)] + (spot_rng.random((2, 2)).sum(axis=0) - 1) * (0.25 * min(shape))
            centre = around if float(spot_rng.random()) < self.clustered else centre
            share = float(spot_rng.random())
            radius = max(1.0, self.radius * min(shape) * (0.2 + 0.8 * share * share))  # small ones are many
            opacity = between(spot_rng, 0.35, 0.9) * (0.4 + 0.6 * self.severity)
            tint = np.array([150, 92, 48]) - spot_rng.integers(0, 30, 3)
            blob = draw_blob(spot_rng, shape, radius, 0.6 + 0.4 * self.severity, 0.3, centre)
            if blob is not None:
                soak(rgb, mask, blob.stamp(max(1.0, radius)), tint, opacity)


def soak(rgb: np.ndarray, mask: np.ndarray, stamp: Stroke, tint: np.ndarray, opacity: float) -> None:
    """Let a transparent colour (3,), 0..255, sink in: white takes on the tint, black stays black."""
    pixels = rgb[stamp.place].astype(np.int32)
    cover(rgb, mask, stamp, (pixels * tint + 127) // 255, opacity)
