"""Inputs: how a batch of photographs becomes what a network reads and a loss compares with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import paddle

from oldrestore.batch import Batch


class Inputs(Protocol):
    """Makes a `Batch` of photographs; what is drawn at random comes from the generator alone.

    Inputs that draw what follows from the number and size of the photographs, and not from what they show, may say so
    by an attribute ``draws_from_size = True``: several processes that share a batch then draw as a single one does.
    """

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Make a batch of uint8 sRGB; `rng` follows from the run's seed and the iteration."""


def with_holes(
    rgb_bhw3: paddle.Tensor,
    names: Sequence[str],
    damaged_b3hw: paddle.Tensor | None,
    masks_bhw: np.ndarray,
    fill: float | None,
) -> Batch:
    """Make a batch with ``rgb_b3hw``, ``damaged_b3hw`` and ``hole_b1hw`` beside the undamaged L and ab.

    Without `damaged_b3hw`, the photographs themselves are filled; without `fill`, the damage stays in sight.
    """
    hole_b1hw = paddle.to_tensor(masks_bhw[:, None].astype(np.float32), place=rgb_bhw3.place)
    rgb_b3hw = rgb_bhw3.transpose([0, 3, 1, 2]).astype("float32") / 255.0
    damaged_b3hw = rgb_b3hw if damaged_b3hw is None else damaged_b3hw
    if fill is not None:
        damaged_b3hw = damaged_b3hw * (1.0 - hole_b1hw) + fill * hole_b1hw
    batch = Batch.from_rgb(rgb_bhw3, names)
    return replace(batch, rgb_b3hw=rgb_b3hw, damaged_b3hw=damaged_b3hw, hole_b1hw=hole_b1hw)


class Colors:
    """Lightness in, colour out: nothing is drawn at random."""

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Convert to Lab on the tensor's device."""
        return Batch.from_rgb(rgb_bhw3, names)
