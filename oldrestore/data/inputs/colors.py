"""Inputs: how a batch of photographs becomes what a network reads and a loss compares with."""

from __future__ import annotations

from collections.abc import Sequence
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
        """Make a batch.

        Parameters
        ----------
        rgb_bhw3 : paddle.Tensor
            uint8 sRGB (B, H, W, 3), 0..255.
        rng : numpy.random.Generator
            Seeded by the run's seed and the iteration, so that a resumed run draws the same.
        """


class Colors:
    """Lightness in, colour out: nothing is drawn at random."""

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Convert to Lab on the tensor's device."""
        return Batch.from_rgb(rgb_bhw3, names)
