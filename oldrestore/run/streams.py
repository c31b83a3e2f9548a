"""The random streams that a run draws from: every one is a function of the seed and a position, so none is kept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from oldrestore import parallel

if TYPE_CHECKING:
    import paddle

    from oldrestore.batch import Batch
    from oldrestore.data.inputs.colors import Inputs

# Seeds of what inputs draw at random begin with one of these, so that no stream repeats another (photographs' order
# and crops have theirs in data/loading/sequence.py). Validation draws the same for every run, whatever its seed: runs
# are compared on equal inputs.
TRAINING_STREAM, VALIDATION_STREAM = 7_201, 7_202
STEP_STREAM = 7_203


def seed_step(seed: int, iteration: int, rank: int = 0) -> None:
    """Set the global generators of Python, NumPy and Paddle for one training step of one of several processes.

    What is drawn within a step (dropout) then depends on nothing but seed, iteration and rank: a run that is resumed
    draws what it would have drawn, and Paddle's generator, whose state cannot be written down, need not be.
    """
    import paddle

    # A last 0 changes nothing (NumPy goes on with zeros): rank 0 draws what a single process does.
    number = int(np.random.default_rng([STEP_STREAM, seed, iteration, rank]).integers(2**31))
    random.seed(number)
    np.random.seed(number)
    paddle.seed(number)


def training_batch(inputs: Inputs, rgb_bhw3: paddle.Tensor, names: Sequence[str], seed: int, position: int) -> Batch:
    """Make the batch at a position of the training, or of several processes this one's part of it.

    Where what is drawn follows from the number and size of the photographs alone (``inputs.draws_from_size``), it is
    drawn for the whole batch, and each process has the same as a single one has. Otherwise each draws for itself.
    """
    seeds = [TRAINING_STREAM, seed, position]
    if parallel.size() == 1:
        return inputs(rgb_bhw3, names, np.random.default_rng(seeds))
    if not getattr(inputs, "draws_from_size", False):
        return inputs(rgb_bhw3, names, np.random.default_rng([*seeds, parallel.rank()]))
    import paddle

    count = rgb_bhw3.shape[0] * parallel.size()
    own = parallel.own_part(count)
    whole = paddle.zeros([count, *rgb_bhw3.shape[1:]], dtype=rgb_bhw3.dtype)
    whole[own] = rgb_bhw3
    batch = inputs(whole, [""] * count, np.random.default_rng(seeds))
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name != "names"}
    return replace(batch, names=tuple(names), **{k: v[own] for k, v in tensors.items() if v is not None})
