"""Colour hints: what a user would point at, simulated by revealing small patches of a photograph's own colour."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import paddle
from pydantic import Field

from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.errors import UserError


@checked
@dataclass
class Hints:
    """Lightness and hints in, colour out: each photograph reveals some patches of its colour.

    The number of patches is geometric, the side of each uniform, its place normal around the photograph's centre,
    and its value the mean colour of what it covers (Zhang et al. 2017; the place as in their code). Where
    patches overlap, the later one counts. Some photographs reveal everything, so that a network learns to keep the
    colour it is given. Everything is drawn on the CPU from the generator, whatever the device and threads.
    """

    draws_from_size = True
    # Chance that no further patch is revealed: the number is k with probability (1 - p)^k p, on average (1 - p) / p.
    # 0.125 in the paper, which is 7; 1 reveals none.
    p: Annotated[float, Field(gt=0, le=1)] = 0.125
    full: Annotated[float, Field(ge=0, le=1)] = 0.01  # share of the photographs that reveal all of their colour
    smallest: Annotated[int, Field(ge=1)] = 1  # side of a patch, pixels
    largest: Annotated[int, Field(ge=1)] = 9  # never more than the photograph's
    none: Annotated[float, Field(ge=0, le=1)] = 0.0  # share that reveals nothing, beside those of no patches

    def __post_init__(self) -> None:
        if self.smallest > self.largest:
            raise UserError(f"inputs.smallest={self.smallest} must be at most inputs.largest={self.largest}")

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Convert to Lab on the tensor's device and reveal hints."""
        batch = Batch.from_rgb(rgb_bhw3, names)
        hints_b3hw = self.draw(batch.ab_b2hw.numpy(), rng)
        return replace(batch, hints_b3hw=paddle.to_tensor(hints_b3hw, place=rgb_bhw3.place))

    def draw(self, ab_b2hw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Hints of photographs: float32 (B, 3, H, W), ab in Lab units and the mask, for true ab (B, 2, H, W)."""
        count, _, height, width = ab_b2hw.shape
        numbers = rng.geometric(self.p, count) - 1
        whole = rng.random(count) < self.full
        if self.none:  # else nothing is drawn, as in runs of versions that did not have it
            hidden = rng.random(count) < self.none
            numbers, whole = np.where(hidden, 0, numbers), whole & ~hidden
        largest = min(self.largest, height, width)
        sides = rng.integers(min(self.smallest, largest), largest + 1, numbers.sum())
        patches = central_patches(rng, sides, height, width)
        hints = np.zeros((count, 3, height, width), np.float32)
        for own_patches, ab_2hw, everything, place in zip(
            np.split(patches, np.cumsum(numbers)[:-1]), ab_b2hw, whole, hints, strict=True
        ):
            if everything:
                place[:2], place[2] = ab_2hw, 1.0
            else:
                reveal(ab_2hw, own_patches, place)
        return hints


def central_patches(rng: np.random.Generator, sides: np.ndarray, height: int, width: int) -> np.ndarray:
    """Place patches around the centre of a photograph, as training does.

    Along each axis of length n, the first pixel of a patch of side s is normal around (n - s + 1) / 2 with standard
    deviation (n - s + 1) / 4, rounded down and clipped to 0..n - s. Returns top, left and side of each, int64 (k, 3).
    """
    room_k2 = np.array([height, width]) - np.asarray(sides)[:, None] + 1
    drawn_k2 = rng.normal(size=room_k2.shape) * (room_k2 / 4) + room_k2 / 2
    corners_k2 = np.clip(np.floor(drawn_k2), 0, room_k2 - 1).astype(np.int64)
    return np.column_stack([corners_k2, np.asarray(sides, np.int64)])


def uniform_patches(rng: np.random.Generator, count: int, side: int, height: int, width: int) -> np.ndarray:
    """Place `count` patches of one side anywhere in a photograph, every place alike; int64 (count, 3).

    Patches are drawn one after the other, so that fewer of them are the first of more.
    """
    corners_k2 = rng.integers(0, np.array([height, width]) - side + 1, (count, 2))
    return np.column_stack([corners_k2, np.full(count, side, np.int64)])


def reveal(ab_2hw: np.ndarray, patches: np.ndarray, hints_3hw: np.ndarray | None = None) -> np.ndarray:
    """Reveal the mean of a true colour, float32, Lab units, in patches, int (k, 3): top, left and side, pixels.

    Hints, float32, are written into and returned, by default new ones: ab where the third channel, the mask, is 1.
    """
    if hints_3hw is None:
        hints_3hw = np.zeros((3, *ab_2hw.shape[1:]), np.float32)
    for top, left, side in patches:
        rows, columns = slice(top, top + side), slice(left, left + side)
        hints_3hw[:2, rows, columns] = ab_2hw[:, rows, columns].mean(axis=(1, 2), dtype=np.float64)[:, None, None]
        hints_3hw[2, rows, columns] = 1.0
    return hints_3hw
