"""Draws strokes and curves with soft edges; every pixel's coverage is the same on every machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FAINTEST = 24  # coverage, of 255, below which nothing is drawn: it would be masked and not seen
AT_ONCE = 1 << 20  # pixels of discs stamped at once, to bound memory


@dataclass(frozen=True)
class Stroke:
    """Coverage of a part of a photograph."""

    top: int  # place of its first pixel
    left: int
    alpha_hw: np.ndarray  # uint8: 0 nothing, 255 covered whole

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the photograph that it covers."""
        height, width = self.alpha_hw.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def direction(rng: np.random.Generator) -> np.ndarray:
    """Draw a unit vector (row, column), every direction about alike.

    An angle of up to 45 degrees by the rational points ``(1 - t^2, 2 t) / (1 + t^2)`` of the circle, which need no
    sine, and one of the eight mirror images.
    """
    t = (math.sqrt(2) - 1) * float(rng.random())
    row, column = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    swap, down, right = rng.integers(0, 2, 3)
    row, column = (column, row) if swap else (row, column)
    return np.array([row if down else -row, column if right else -column])


def spacing_for(width: float) -> float:
    """Pixels between the points of a line of a width: close enough that discs along them leave its edge smooth."""
    return max(0.5, width / 16)


def arc(start: np.ndarray, end: np.ndarray, bend: float, spacing: float = 0.5) -> np.ndarray:
    """Points of a quadratic Bezier curve, float64 (n, 2), at least two, about `spacing` pixels apart.

    `start` and `end` are (row, column); `bend` is how far the control point lies beside the chord, in chords.
    """
    along = end - start
    control = (start + end) / 2 + bend * np.array([-along[1], along[0]])
    length = math.sqrt(float(along[0] * along[0] + along[1] * along[1])) * (1 + abs(bend))
    t = (np.arange(max(2, math.ceil(length / spacing) + 1)) / max(1, math.ceil(length / spacing)))[:, None]
    return start * ((1 - t) * (1 - t)) + control * (2 * t * (1 - t)) + end * (t * t)


def normals(points: np.ndarray) -> np.ndarray:
    """Unit vectors at right angles to a curve, float64 (n, 2)."""
    ahead = np.empty_like(points)
    ahead[1:-1] = points[2:] - points[:-2]
    ahead[0], ahead[-1] = points[1] - points[0], points[-1] - points[-2]
    length = np.sqrt(ahead[:, 0] * ahead[:, 0] + ahead[:, 1] * ahead[:, 1])
    length = np.where(length > 0, length, 1.0)
    return np.stack([-ahead[:, 1] / length, ahead[:, 0] / length], axis=1)


def stroke(points: np.ndarray, radii: np.ndarray, softness: float, shape: tuple[int, int]) -> Stroke | None:
    """Draw discs along a curve; a pixel's coverage is that of the disc that covers it most.

    Centres are rows and columns, float64 (n, 2), radii float64 (n,), pixels; a radius of 0 or below leaves a gap. The
    coverage falls from 1 to 0 over `softness` pixels around the radius, at least 1. None if nothing of it lies in a
    photograph of this height and width.
    """
    height, width = shape
    reach = math.ceil(max(0.0, float(radii.max())) + softness / 2) + 1
    inside = (
        (radii > 0)
        & (points[:, 0] > -reach)
        & (points[:, 0] < height - 1 + reach)
        & (points[:, 1] > -reach)
        & (points[:, 1] < width - 1 + reach)
    )
    points, radii = points[inside], radii[inside]
    if len(points) == 0:
        return None
    corner = np.floor(points).astype(np.int64)
    top, left = np.maximum(corner.min(axis=0) - reach, 0)
    bottom, right = np.minimum(corner.max(axis=0) + reach + 1, [height, width])
    if bottom <= top or right <= left:
        return None
    alpha = np.zeros((bottom - top, right - left), dtype=np.uint8)
    flat = alpha.reshape(-1)  # NumPy's `at` is many times as fast with one index as with two
    offsets = np.arange(-reach, reach + 1)
    down, across = np.repeat(offsets, len(offsets)), np.tile(offsets, len(offsets))
    chunk = max(1, AT_ONCE // len(down))
    for first in range(0, len(points), chunk):
        part = slice(first, first + chunk)
        rows = corner[part, 0:1] + down
        columns = corner[part, 1:2] + across
        beside, above = columns - points[part, 1:2], rows - points[part, 0:1]
        covered = (radii[part, None] - np.sqrt(beside * beside + above * above)) / softness + 0.5
        drawn = (covered > 0) & (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        places = (rows[drawn] - top) * (right - left) + (columns[drawn] - left)
        np.maximum.at(flat, places, as_alpha(covered[drawn]))
    return Stroke(int(top), int(left), alpha)


def as_alpha(covered: np.ndarray) -> np.ndarray:
    """Coverage 0..1 in 1/255, uint8."""
    return np.floor(np.clip(covered, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def cover(rgb: np.ndarray, mask: np.ndarray, stamp: Stroke | None, color: np.ndarray, opacity: float = 1.0) -> None:
    """Paint a stamp on a photograph, in place, and mark what it touches; None paints nothing.

    Only pixels whose coverage is at least `FAINTEST` are painted and marked in `mask`, bool (H, W). The colour is
    0..255, (3,) or (h, w, 3) of the stamp's size; `opacity` multiplies the coverage.
    """
    if stamp is None:
        return
    weight = stamp.alpha_hw.astype(np.int32) * round(opacity * 256)  # of 255 * 256
    touched = weight >= FAINTEST * 256
    weight = weight[touched][:, None]
    pixels = rgb[stamp.place]
    color = np.asarray(color, dtype=np.int32)
    color = color if color.ndim == 1 else color[touched]
    whole = 255 * 256
    pixels[touched] = (pixels[touched].astype(np.int32) * (whole - weight) + color * weight + whole // 2) // whole
    mask[stamp.place] |= touched
