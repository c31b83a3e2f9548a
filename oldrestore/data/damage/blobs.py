"""Irregular patches: an ellipse whose edge a smooth random field moves in and out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from oldrestore.data.damage.noise import ONE, smooth_field
from oldrestore.data.damage.raster import Stroke, as_alpha, direction


@dataclass(frozen=True)
class Blob:
    """How far inside an irregular patch each pixel lies."""

    top: int  # place of its first pixel in the photograph
    left: int
    depth_hw: np.ndarray  # float64, pixels: above 0 inside, 0 at the edge

    def stamp(self, softness: float = 1.0) -> Stroke:
        """Coverage with an edge of `softness` pixels."""
        return Stroke(self.top, self.left, as_alpha(self.depth_hw / softness + 0.5))

    def ring(self, width: float) -> Stroke:
        """Coverage of a band along the edge, inside, strongest in its middle; `width` in pixels."""
        distance = np.abs(self.depth_hw - width / 2)
        return Stroke(self.top, self.left, as_alpha(1.0 - distance / max(width / 2, 0.75)))


def draw_blob(
    rng: np.random.Generator,
    shape: tuple[int, int],
    radius: float,
    grown: float,
    roughness: float = 0.35,
    centre: np.ndarray | None = None,
) -> Blob | None:
    """Draw an irregular patch; None if nothing of it lies in a photograph of this height and width.

    `radius` is that of the patch when fully grown, in pixels, of which it has the share `grown`. What is drawn does not
    depend on that, and a patch grown further holds the smaller one. The edge moves in and out by `roughness` radii.
    `centre` is row and column; by default anywhere.
    """
    height, width = shape
    if centre is None:
        centre = rng.random(2) * [height, width]
    axis = direction(rng)
    squeeze = 0.55 + 0.45 * float(rng.random())
    reach = math.ceil(radius * (1 + roughness)) + 2
    box = 2 * reach + 1
    row, column = (math.floor(float(value)) for value in centre)
    field = smooth_field(rng, box, box, 4.0, octaves=3)
    top, left = max(0, row - reach), max(0, column - reach)
    bottom, right = min(height, row + reach + 1), min(width, column + reach + 1)
    if bottom <= top or right <= left:
        return None
    field = field[top - row + reach : bottom - row + reach, left - column + reach : right - column + reach]
    down = np.arange(top, bottom)[:, None] - float(centre[0])
    across = np.arange(left, right)[None, :] - float(centre[1])
    along, beside = down * axis[0] + across * axis[1], (down * axis[1] - across * axis[0]) / squeeze
    distance = np.sqrt(along * along + beside * beside)
    moved = (field - ONE // 2) * (2 * roughness / ONE)
    return Blob(top, left, radius * (grown + moved * grown) - distance)
