"""What a step draws follows from seed and iteration alone."""

from __future__ import annotations

import random

import numpy as np
import paddle

from oldrestore.run.streams import seed_step


def drawn(seed: int, iteration: int) -> tuple:
    seed_step(seed, iteration)
    dropped = paddle.nn.functional.dropout(paddle.ones([64]), 0.5).numpy()
    return random.random(), np.random.rand(), paddle.rand([1]).item(), dropped.tobytes()


def test_a_step_draws_the_same_whatever_was_drawn_before():
    first = drawn(3, 10)
    paddle.rand([5])
    np.random.rand(7)
    assert drawn(3, 10) == first
    for other in (drawn(3, 11), drawn(4, 10)):
        assert all(a != b for a, b in zip(first, other, strict=True))
