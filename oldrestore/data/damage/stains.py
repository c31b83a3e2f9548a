"""Stains with tide lines, and foxing: the rusty spots of damp paper."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, ScatteredDamage, Share, between
from oldrestore.data.damage.blobs import draw_blob
from oldrestore.data.damage.raster import Stroke, cover


@checked
@dataclass
class Stains(ScatteredDamage):
    """Dried liquid: brownish patches, darker where their edge dried last.

    Severity makes them more, larger and darker.
    """

    kind = "stains"
    count: Count = 6
    radius: Annotated[float, Field(gt=0, le=1)] = 0.22  # of the largest at severity 1, of the shorter side
    strength: Share = 0.7  # opacity of the darkest at severity 1

    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: None) -> None:
        radius = max(1.0, self.radius * min(rgb.shape[:2]) * between(rng, 0.2, 1.0))
        opacity = self.strength * between(rng, 0.4, 1.0) * (0.4 + 0.6 * self.severity)
        tint = np.array([178, 128, 66]) - rng.integers(0, 40, 3)
        blob = draw_blob(rng, rgb.shape[:2], radius, 0.5 + 0.5 * self.severity)
        if blob is not None:
            _soak(rgb, mask, blob.stamp(max(1.0, radius / 12)), tint, opacity)
            _soak(rgb, mask, blob.ring(max(1.5, radius / 9)), tint, opacity * 0.8)


@checked
@dataclass
class Foxing(ScatteredDamage):
    """Rusty spots, most of them in clusters; severity makes them more, larger and darker."""

    kind = "foxing"
    count: Count = 160
    # Of the largest at severity 1, as a share of the shorter side; at least a pixel.
    radius: Annotated[float, Field(gt=0, le=0.2)] = 0.014
    clustered: Share = 0.7  # share of spots that lie in one of four clusters

    def _draw_shared(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return rng.random((4, 2)) * shape  # centres of clusters

    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: np.ndarray) -> None:
        shape = rgb.shape[:2]
        centre = rng.random(2) * shape
        around = shared[rng.integers(0, 4)] + (rng.random((2, 2)).sum(axis=0) - 1) * (0.25 * min(shape))
        centre = around if float(rng.random()) < self.clustered else centre
        share = float(rng.random())
        radius = max(1.0, self.radius * min(shape) * (0.2 + 0.8 * share * share))  # small ones are many
        opacity = between(rng, 0.35, 0.9) * (0.4 + 0.6 * self.severity)
        tint = np.array([150, 92, 48]) - rng.integers(0, 30, 3)
        blob = draw_blob(rng, shape, radius, 0.6 + 0.4 * self.severity, 0.3, centre)
        if blob is not None:
            _soak(rgb, mask, blob.stamp(max(1.0, radius)), tint, opacity)


def _soak(rgb: np.ndarray, mask: np.ndarray, stamp: Stroke, tint: np.ndarray, opacity: float) -> None:
    """Let a transparent colour (3,), 0..255, sink in: white takes on the tint, black stays black."""
    pixels = rgb[stamp.place].astype(np.int32)
    cover(rgb, mask, stamp, (pixels * tint + 127) // 255, opacity)
