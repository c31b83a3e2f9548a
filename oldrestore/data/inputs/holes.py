"""Inputs with holes: a photograph, the same photograph damaged, and where.

Holes are brush strokes and boxes, drawn in whole numbers from a NumPy generator (strokes by Bresenham's lines of
`skimage.draw`, widened by rows of a disc whose half-widths are integer square roots), so that a seed gives the same
mask on every machine.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
import paddle
from pydantic import Field
from skimage.draw import line

from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.data.inputs.colors import with_holes

Shape = Literal["free_form", "box"]
Thickness = Literal["thin", "medium", "thick"]
TRIES = 100  # shapes drawn at most; each is taken that does not pass the highest coverage


@dataclass(frozen=True)
class HoleSizes:
    """Lowest and highest values of the shapes of a thickness."""

    radius: tuple[int, int]  # of a stroke, in 1/256 of the shorter side, rounded to pixels; 0 is a line of one
    box: tuple[int, int]  # side of a box, likewise
    coverage: tuple[int, int]  # share of the picture that is hole, percent


SIZES: dict[str, HoleSizes] = {
    "thin": HoleSizes(radius=(0, 3), box=(8, 24), coverage=(2, 8)),
    "medium": HoleSizes(radius=(6, 12), box=(32, 64), coverage=(10, 20)),
    "thick": HoleSizes(radius=(16, 28), box=(80, 128), coverage=(25, 40)),
}


@checked
@dataclass
class HoleInputs:
    """Cuts seeded holes into photographs; what is mixed is drawn for each photograph."""

    draws_from_size = True
    shape: Literal["free_form", "box", "mixed"] = "free_form"  # brush strokes, boxes
    thickness: Literal["thin", "medium", "thick", "mixed"] = "medium"  # see `SIZES`
    fill: Annotated[float, Field(ge=0, le=1)] = 0.5  # what stands in the holes, in every channel

    def __post_init__(self) -> None:
        self.shapes = get_args(Shape) if self.shape == "mixed" else (self.shape,)
        self.thicknesses = get_args(Thickness) if self.thickness == "mixed" else (self.thickness,)

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Make a batch; see `with_holes`."""
        count, height, width = rgb_bhw3.shape[:3]
        masks_bhw = np.stack([self.draw(height, width, rng) for _ in range(count)])
        return with_holes(rgb_bhw3, names, None, masks_bhw, self.fill)

    def draw(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the holes of one photograph, bool (height, width)."""
        # Always drawn, so that the masks of one choice do not depend on the others.
        shape = self.shapes[int(rng.integers(0, 6)) % len(self.shapes)]
        thickness = self.thicknesses[int(rng.integers(0, 6)) % len(self.thicknesses)]
        return draw_mask(height, width, shape, thickness, rng)


def draw_mask(height: int, width: int, shape: Shape, thickness: Thickness, rng: np.random.Generator) -> np.ndarray:
    """Draw the holes of one photograph, bool: shapes are added until a coverage drawn at random is reached.

    They cover at most the highest coverage of the thickness, and at least the lowest wherever the shapes fit (from 32
    pixels on).
    """
    if min(height, width) < 16:
        raise ValueError(f"holes are drawn in photographs of at least 16 x 16 pixels, not {width} x {height}")
    sizes = SIZES[thickness]
    add: Callable[..., np.ndarray] = _stroke if shape == "free_form" else _box
    lowest, highest = (percent * height * width // 100 for percent in sizes.coverage)
    wanted = rng.integers(lowest + 1, highest + 1)
    mask = np.zeros((height, width), dtype=bool)
    for _ in range(TRIES):
        tried = mask | add(height, width, sizes, rng)
        if np.count_nonzero(tried) <= highest:
            mask = tried
        if np.count_nonzero(mask) >= wanted:
            break
    return mask


def _in_pixels(parts: tuple[int, int], side: int, rng: np.random.Generator) -> int:
    """Draw a length between two, given in 1/256 of a side; rounded half up in whole numbers."""
    return (2 * int(rng.integers(parts[0], parts[1] + 1)) * side + 256) // 512


def _box(height: int, width: int, sizes: HoleSizes, rng: np.random.Generator) -> np.ndarray:
    side = min(height, width)
    rows, columns = (max(1, _in_pixels(sizes.box, side, rng)) for _ in range(2))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + rows, left : left + columns] = True
    return mask


def _stroke(height: int, width: int, sizes: HoleSizes, rng: np.random.Generator) -> np.ndarray:
    """One to four straight pieces, each up to a third of the shorter side long in either direction."""
    side = min(height, width)
    radius = _in_pixels(sizes.radius, side, rng)
    reach = max(2, side // 3)
    row, column = int(rng.integers(0, height)), int(rng.integers(0, width))
    rows, columns = [], []
    for _ in range(rng.integers(1, 5)):
        next_row = min(height - 1, max(0, row + int(rng.integers(-reach, reach + 1))))
        next_column = min(width - 1, max(0, column + int(rng.integers(-reach, reach + 1))))
        r, c = line(row, column, next_row, next_column)
        rows.append(r)
        columns.append(c)
        row, column = next_row, next_column
    return draw_discs(np.concatenate(rows), np.concatenate(columns), radius, height, width)


def draw_discs(rows: np.ndarray, columns: np.ndarray, radius: int, height: int, width: int) -> np.ndarray:
    """Every pixel within `radius` of a point: each row of each disc begins a run (+1) and ends it (-1)."""
    runs = np.zeros((height, width + 1), dtype=np.int64)
    for down in range(-radius, radius + 1):
        half = math.isqrt(radius * radius - down * down)
        inside = (rows + down >= 0) & (rows + down < height)
        row = rows[inside] + down
        np.add.at(runs, (row, np.maximum(columns[inside] - half, 0)), 1)
        np.add.at(runs, (row, np.minimum(columns[inside] + half + 1, width)), -1)
    return runs.cumsum(axis=1)[:, :width] > 0
