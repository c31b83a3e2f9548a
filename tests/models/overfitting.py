"""Photographs that a network can learn by heart, and a loop that lets it."""

from collections.abc import Callable

import numpy as np
import paddle

from oldrestore.batch import Batch
from tests.generated_photographs import make_photograph


def pixels(count: int = 4, size: int = 64) -> paddle.Tensor:
    """uint8 (B, size, size, 3)."""
    return paddle.to_tensor(np.stack([make_photograph(seed, size) for seed in range(count)]))


def photographs(count: int = 4, size: int = 64) -> Batch:
    return Batch.from_rgb(pixels(count, size))


def train(network: paddle.nn.Layer, loss_at: Callable[[int], paddle.Tensor], steps: int, **settings) -> list[float]:
    """Losses of some steps of Adam; `loss_at` computes that of a step."""
    trained = [parameter for parameter in network.parameters() if not parameter.stop_gradient]
    optimizer = paddle.optimizer.Adam(**settings, parameters=trained)
    network.train()
    history = []
    for step in range(steps):
        value = loss_at(step)
        value.backward()
        optimizer.step()
        optimizer.clear_grad()
        history.append(float(value))
    return history
