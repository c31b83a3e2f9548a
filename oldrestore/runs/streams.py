"""The random streams that a run draws from: every one is a function of the seed and a position, so none is kept."""

from __future__ import annotations

import random

import numpy as np

# Seeds of what inputs draw at random begin with one of these, so that no stream repeats another (photographs' order
# and crops have theirs in data/sequence.py). Validation draws the same for every run, whatever its seed: runs are
# compared on equal inputs.
TRAINING_STREAM, VALIDATION_STREAM = 7_201, 7_202
STEP_STREAM = 7_203


def seed_step(seed: int, iteration: int) -> None:
    """Set the global generators of Python, NumPy and Paddle for one training step.

    What is drawn within a step (dropout) then depends on nothing but seed and iteration: a run that is resumed draws
    what it would have drawn, and Paddle's generator, whose state cannot be written down, need not be.
    """
    import paddle

    number = int(np.random.default_rng([STEP_STREAM, seed, iteration]).integers(2**31))
    random.seed(number)
    np.random.seed(number)
    paddle.seed(number)
