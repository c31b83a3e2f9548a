"""The supervised learner: one network, one loss, one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import paddle
from paddle import nn
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss
from oldrestore.training.checkpoint import Checkpoint
from oldrestore.training.network_learner import Means, NetworkLearner
from oldrestore.training.player import Player
from oldrestore.training.schedules import Schedule


class SupervisedLearner(NetworkLearner):
    """Trains a network on a loss by stochastic gradient descent.

    Several processes (`oldrestore.parallel`) each take their part of every batch: batch norm and loss are those of the
    whole batch, gradients are averaged before they are clipped, so that every process makes the same update.

    Parameters
    ----------
    optimizer : callable
        Makes the optimizer when called with ``parameters`` and ``grad_clip``: a partial from the
        ``optimizer`` group.
    gradient_clip : float
        Highest global norm of the gradient; 0 is off.
    accumulate : int
        Batches whose gradients are averaged into one update.
    network, loss, schedule, amp, ema_decay
        See `NetworkLearner`.
    """

    @checked
    def __init__(
        self,
        network: nn.Layer,
        loss: Loss,
        optimizer: Callable[..., Any],
        schedule: Schedule | None = None,
        gradient_clip: Annotated[float, Field(ge=0)] = 0.0,
        accumulate: Annotated[int, Field(ge=1)] = 1,
        amp: Literal["off", "float16", "bfloat16"] = "off",
        ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__(network, loss, schedule, amp, ema_decay)
        self.accumulate = accumulate
        self._player = Player(network, optimizer, gradient_clip, amp, "")

    def learning_rate(self, iteration: int) -> float:
        """Learning rate of an update."""
        return self._player.base_learning_rate * self.schedule(iteration)

    def step(self, batches: Sequence[Batch], iteration: int) -> Mapping[str, paddle.Tensor]:
        """Make one update; returns the loss and its terms, averaged over the batches, on the device."""
        self.network.train()
        self.loss.at(iteration)
        means = Means(len(batches))
        with parallel.together():
            for batch in batches:
                with self.mixed():
                    terms = self.loss.terms(self.predict(batch), batch)
                self._player.backward(terms["loss"] / len(batches))
                means.add(**terms)
        self._player.update(self.schedule(iteration))
        if self.average is not None:
            self.average.update()
        return parallel.means(means.values)

    def checkpoint(self) -> Checkpoint:
        """Weights, moving average, optimizer and scaler."""
        checkpoint = super().checkpoint()
        checkpoint.tensors.update(self._player.tensors())
        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same configuration."""
        super().restore(checkpoint)
        self._player.load(checkpoint.tensors)
