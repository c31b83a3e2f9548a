"""Exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import nn


class MovingAverage:
    """Average of a network's state over training: average = decay * average + (1 - decay) * weights.

    Early on the decay is min(decay, (1 + n) / (10 + n)) after n updates, so that the random start fades.
    Whole-number buffers and the running statistics of batch norm are copied, not averaged: they are averages.

    Parameters
    ----------
    decay : float
        0.999 remembers about a thousand updates.
    """

    def __init__(self, network: nn.Layer, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._network = network
        # Paddle counts a batch norm's running statistics among the parameters, as not trainable.
        self._averaged = {name for name, p in network.named_parameters() if not p.stop_gradient}
        self._shadow = {name: value.clone().detach() for name, value in network.state_dict().items()}

    @paddle.no_grad()
    def update(self) -> None:
        """Take the network's weights into the average."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in self._network.state_dict().items():
            if name in self._averaged:
                self._shadow[name].scale_(decay).add_(value.detach() * (1 - decay))
            else:
                self._shadow[name].set_value(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the network, and its own weights back afterwards."""
        state = self._network.state_dict()
        weights = {name: value.clone().detach() for name, value in state.items()}
        for name, value in state.items():
            value.set_value(self._shadow[name])
        try:
            yield
        finally:
            for name, value in state.items():
                value.set_value(weights[name])

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the average as arrays by parameter name."""
        return {name: value.numpy() for name, value in self._shadow.items()}

    def load(self, tensors: Mapping[str, np.ndarray], updates: int) -> None:
        """Go on from a saved average."""
        for name, value in self._shadow.items():
            value.set_value(tensors[name])
        self.updates = updates


@contextmanager
def for_evaluation(network: nn.Layer, average: MovingAverage | None) -> Iterator[None]:
    """Put a network in evaluation mode for a while, with its moving average if there is one."""
    network.eval()
    try:
        if average is None:
            yield
        else:
            with average.applied():
                yield
    finally:
        network.train()
