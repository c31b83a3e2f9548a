"""The 313 bins of the ab plane that sRGB fills (Zhang, Isola, Efros 2016), and how to find the nearest.

Which bins are near a colour is looked up, not searched: the plane is cut into cells of half a grid step, and
for each cell a table lists every bin that can be among the k nearest of *any* point in it (for k = 10 at most
20 of the 313). A search through that list is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

GRID_STEP = 10

# For each a: the first and last b of its bins. Order of the published files: by a, then by b.
_ROWS = (
    (-90, 50, 90),
    (-80, 20, 90),
    (-70, 0, 90),
    (-60, -20, 90),
    (-50, -30, 100),
    (-40, -40, 100),
    (-30, -50, 100),
    (-20, -50, 100),
    (-10, -60, 100),
    (0, -70, 100),
    (10, -80, 90),
    (20, -80, 90),
    (30, -90, 90),
    (40, -100, 90),
    (50, -100, 80),
    (60, -110, 80),
    (70, -110, 80),
    (80, -110, 70),
    (90, -110, 70),
    (100, -90, 0),
)

# Centres of the bins in Lab units, float32 (313, 2).
AB_BINS = np.array([(a, b) for a, first, last in _ROWS for b in range(first, last + 1, GRID_STEP)], dtype=np.float32)
AB_BINS.flags.writeable = False
NUMBER_OF_BINS = len(AB_BINS)

# Colours are clipped to this square before they are encoded. sRGB and the 8-bit Lab encoding (-128..127) lie
# well within it, so that only numbers that are no colour at all are ever moved.
AB_LIMIT = 130.0
CELL_SIZE = 5.0
CELLS_PER_SIDE = int(2 * AB_LIMIT / CELL_SIZE)
BLOCK = 8192  # colours worked on at once: their candidates stay in the processor's cache


@dataclass(frozen=True)
class NeighbourTable:
    """For each cell of the ab plane, the m bins that can be among the nearest k of any point in it."""

    bins: np.ndarray  # int64 (cells, m), in rising order, so that the first of equal distances is the lower index
    centres: np.ndarray  # float32 (cells, 2, m): their a and b; points that only fill a row up are far away


@lru_cache(maxsize=8)
def neighbour_table(neighbours: int) -> NeighbourTable:
    """Build (once) the table for ``neighbours`` nearest bins, 1..313."""
    bins, possible = candidates(CELLS_PER_SIDE, AB_BINS.T[None].astype(np.float64), neighbours)
    centres = AB_BINS[bins].transpose(0, 2, 1).copy()
    centres[np.repeat(~possible[:, None], 2, axis=1)] = 1e6
    for array in (bins, centres):
        array.flags.writeable = False
    return NeighbourTable(bins=bins, centres=centres)


def candidates(cells_per_side: int, centres: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose, for each cell of the ab plane, the centres that can be among the nearest of some point in it.

    They are those whose smallest distance to the cell is no larger than the k-th smallest of all largest distances.
    `centres`, float64 (cells or 1, 2, n), are a and b of those to choose from. Returned are positions in the n,
    int64 (cells, m), in rising order, and a bool of each: False if it only fills a row up.
    """
    size = 2 * AB_LIMIT / cells_per_side
    middle = -AB_LIMIT + size * (np.arange(cells_per_side) + 0.5)
    nearest = farthest = 0.0
    for axis, place in enumerate(np.meshgrid(middle, middle, indexing="ij")):
        away = abs(centres[:, axis] - place.reshape(-1, 1))
        nearest = nearest + np.maximum(away - size / 2, 0.0) ** 2
        farthest = farthest + (away + size / 2) ** 2
    reach = np.partition(farthest, neighbours - 1, axis=-1)[:, neighbours - 1 : neighbours]
    # The margin covers a point that rounding puts in the cell beside its own.
    possible = nearest <= reach + 1e-2
    # A stable sort of "not possible" brings the possible ones to the front, in rising order.
    order = np.argsort(~possible, axis=1, kind="stable")[:, : possible.sum(axis=1).max()]
    return order, np.take_along_axis(possible, order, axis=1)


def nearest_bin(ab: np.ndarray) -> np.ndarray:
    """Index of the bin nearest to each colour, int64 (...); of equal distances the lower index.

    ``ab`` is (..., 2) in Lab units, clipped to -130..130; `ValueError` if it has other channels or is not finite.
    """
    ab = np.asarray(ab)
    if ab.ndim == 0 or ab.shape[-1] != 2:
        raise ValueError(f"ab must have 2 channels on its last axis, got shape {ab.shape}")
    points = ab.reshape(-1, 2).astype(np.float32, copy=False)
    if not np.isfinite(points).all():
        raise ValueError("ab holds values that are not finite")
    table = neighbour_table(1)
    indices = np.empty(len(points), dtype=np.int64)
    for start in range(0, len(points), BLOCK):
        block = np.clip(points[start : start + BLOCK], -AB_LIMIT, AB_LIMIT)
        cell = np.minimum(((block + AB_LIMIT) / CELL_SIZE).astype(np.int64), CELLS_PER_SIDE - 1)
        cell = cell[:, 0] * CELLS_PER_SIDE + cell[:, 1]
        centres = table.centres[cell]
        squared = (centres[:, 0] - block[:, :1]) ** 2 + (centres[:, 1] - block[:, 1:]) ** 2
        indices[start : start + BLOCK] = table.bins[cell, squared.argmin(axis=1)]
    return indices.reshape(ab.shape[:-1])
