"""Inputs with holes: a photograph, the same photograph damaged, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, get_args

import numpy as np
import paddle
from pydantic import Field

from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.data.inputs.hole_masks import Shape, Thickness, draw_mask


class HoleInputs:
    """Cuts seeded holes into photographs.

    Parameters
    ----------
    shape : {"free_form", "box", "mixed"}
        Brush strokes, boxes, or for each photograph one or the other.
    thickness : {"thin", "medium", "thick", "mixed"}
        See `oldrestore.data.inputs.hole_masks.DAMAGE`; mixed takes one of the three for each photograph.
    fill : float
        What stands in the holes of the damaged photograph, in every channel.
    """

    draws_from_size = True

    @checked
    def __init__(
        self,
        shape: Literal["free_form", "box", "mixed"] = "free_form",
        thickness: Literal["thin", "medium", "thick", "mixed"] = "medium",
        fill: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        self.shapes = get_args(Shape) if shape == "mixed" else (shape,)
        self.thicknesses = get_args(Thickness) if thickness == "mixed" else (thickness,)
        self.fill = fill

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Make a batch with ``rgb_b3hw``, ``damaged_b3hw`` and ``hole_b1hw`` beside L and ab."""
        batch = Batch.from_rgb(rgb_bhw3, names)
        count, height, width = rgb_bhw3.shape[:3]
        masks_bhw = np.stack([self.draw(height, width, rng) for _ in range(count)])
        hole_b1hw = paddle.to_tensor(masks_bhw[:, None].astype(np.float32), place=rgb_bhw3.place)
        rgb_b3hw = rgb_bhw3.transpose([0, 3, 1, 2]).astype("float32") / 255.0
        damaged_b3hw = rgb_b3hw * (1.0 - hole_b1hw) + self.fill * hole_b1hw
        return replace(batch, rgb_b3hw=rgb_b3hw, damaged_b3hw=damaged_b3hw, hole_b1hw=hole_b1hw)

    def draw(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the holes of one photograph, bool (height, width)."""
        # Always drawn, so that the masks of one choice do not depend on the others.
        shape = self.shapes[int(rng.integers(0, 6)) % len(self.shapes)]
        thickness = self.thicknesses[int(rng.integers(0, 6)) % len(self.thicknesses)]
        return draw_mask(height, width, shape, thickness, rng)
