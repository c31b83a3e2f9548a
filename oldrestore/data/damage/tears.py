"""Torn edges and corners: pieces missing from the border of a photograph."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Count, ScatteredDamage, Share, between, draw_ground
from oldrestore.data.damage.noise import ONE, smooth_field, smooth_line
from oldrestore.data.damage.raster import Stroke, as_alpha, cover


@checked
@dataclass
class Tears(ScatteredDamage):
    """Corners that are gone, wedges torn in from an edge, and ragged edges; severity makes them more and deeper."""

    kind = "tears"
    count: Count = 5
    depth: Annotated[float, Field(gt=0, le=0.5)] = 0.25  # of the deepest at severity 1, of the shorter side
    corners: Share = 0.4  # share that are corners; of the rest, two in three are wedges and one is a ragged edge

    def _draw_shared(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return draw_ground(rng)

    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: np.ndarray) -> None:
        turned = int(rng.integers(0, 4))  # any edge is the upper one of a photograph turned
        rgb, mask = np.rot90(rgb, turned), np.rot90(mask, turned)
        height, width = rgb.shape[:2]
        deepest = max(1.0, self.depth * min(height, width))
        depth = deepest * between(rng, 0.4, 1.0)
        what, place, half_width = float(rng.random()), float(rng.random()), between(rng, 0.3, 0.9)
        slope = between(rng, 0.5, 2.0)
        rows = min(height, math.ceil(depth * 1.5) + 2)
        ragged = smooth_line(rng, width, max(3.0, deepest / 8)) + smooth_line(rng, width, max(2.0, deepest / 20)) * 0.5
        columns = np.arange(width, dtype=np.float64)
        if what < self.corners:
            # Up to twice as long as deep along either edge.
            profile = depth * (0.85 + 0.3 * ragged) - columns * slope
        elif what < self.corners + (1 - self.corners) * 2 / 3:
            away = np.abs(columns - place * width) / (depth * half_width)
            profile = depth * ((1 - away) + (ragged - 0.75) * 0.25)
        else:
            profile = depth * 0.3 * ragged
        # Only the columns that it may reach; fine fibres along the whole of its edge.
        reachable = np.flatnonzero(profile > -0.12 * depth)
        if len(reachable) == 0:
            return
        part = slice(int(reachable[0]), int(reachable[-1]) + 1)
        rgb, mask, profile = rgb[:, part], mask[:, part], profile[part]
        cells = 24.0 * min(rows, len(profile)) / min(height, width)
        fine = (smooth_field(rng, rows, len(profile), cells, 2) - ONE // 2) / ONE
        grown = 0.35 + 0.65 * self.severity
        reached = np.maximum(0.0, profile[None, :] + fine * (0.12 * depth))
        inside = grown * reached - (np.arange(rows) + 0.5)[:, None]
        rim = max(1.5, depth / 12)
        cover(rgb, mask, Stroke(0, 0, as_alpha(inside + 0.5)), shared)
        edge = as_alpha(1.0 - np.abs(inside - rim / 2) / (rim / 2))
        cover(rgb, mask, Stroke(0, 0, edge), np.array([240, 237, 230]), 0.8)
