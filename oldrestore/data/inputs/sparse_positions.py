"""Inputs that say at which few pixels of each photograph a network is trained."""

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
class SparsePositions:
    """Lightness in, colour out, and positions drawn evenly over each photograph.

    A hypercolumn has thousands of channels for each pixel, and neighbouring pixels teach nearly the same: Larsson
    et al. (2016) train at 128 pixels of each photograph. Positions come from the run's generator, so that a run
    repeats and a resumed one draws the same.
    """

    draws_from_size = True
    count: Annotated[int, Field(ge=1, le=65536)] = 128  # of each photograph; one may come twice
    border: Annotated[int, Field(ge=0)] = 0  # pixels at each edge in which none is drawn

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Convert to Lab and draw ``positions_bn2``, int64 (B, count, 2), rows and columns."""
        batch, height, width, _ = rgb_bhw3.shape
        if min(height, width) <= 2 * self.border:
            raise UserError(
                f"inputs.border={self.border} leaves no pixel of photographs of {height} x {width}: "
                f"give at most {(min(height, width) - 1) // 2}"
            )
        highest = [height - self.border, width - self.border]
        positions_bn2 = rng.integers(self.border, highest, size=(batch, self.count, 2), dtype=np.int64)
        positions = paddle.to_tensor(positions_bn2, place=rgb_bhw3.place)
        return replace(Batch.from_rgb(rgb_bhw3, names), positions_bn2=positions)
