"""The random streams of a run: each is a function of the seed and a position, so that no state has to be saved."""

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

# Seeds begin with one of these, so that no stream repeats another (photographs' order and crops have theirs in
# data/loading/loader.py). Validation draws the same for every run, whatever its seed: runs are compared on equal
# inputs.
TRAINING_STREAM, VALIDATION_STREAM = 7_201, 7_202
STEP_STREAM = 7_203


def seed_step(seed: int, iteration: int, rank: int = 0) -> None:
    """Set the global generators of Python, NumPy and Paddle for one training step of one of several processes.

    What is drawn within a step (dropout) then depends on nothing but seed, iteration and rank: a resumed run draws the
    same, although the state of Paddle's generator cannot be saved.
    """
    import paddle

    # A last 0 changes nothing (NumPy pads with zeros): rank 0 draws what a single process does.
    number = int(np.random.default_rng([STEP_STREAM, seed, iteration, rank]).integers(2**31))
    random.seed(number)
    np.random.seed(number)
    paddle.seed(number)


def training_batch(inputs: Inputs, rgb_bhw3: paddle.Tensor, names: Sequence[str], seed: int, position: int) -> Batch:
    """Build the batch at a position of the training, or this process's part of it.

    If the draws follow from the number and size of the photographs alone (``inputs.draws_from_size``), they are made
    for the whole batch, as a single process does. Otherwise each process draws for itself.
    """
    seeds = [TRAINING_STREAM, seed, position]
    if parallel.size() == 1:
        return inputs(rgb_bhw3, names, np.random.default_rng(seeds))
    if not getattr(inputs, "draws_from_size", False):
        return inputs(rgb_bhw3, names, np.random.default_rng([*seeds, parallel.rank()]))
    import paddle

    count = rgb_bhw3.shape[0] * parallel.size()
    part = parallel.own_part(count)
    whole = paddle.zeros([count, *rgb_bhw3.shape[1:]], dtype=rgb_bhw3.dtype)
    whole[part] = rgb_bhw3
    batch = inputs(whole, [""] * count, np.random.default_rng(seeds))
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name != "names"}
    return replace(batch, names=tuple(names), **{k: v[part] for k, v in tensors.items() if v is not None})
