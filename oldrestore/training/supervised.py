"""The supervised learner: one network, one loss, one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import paddle
from paddle import nn
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss
from oldrestore.training.learner import Amp, Count, Decay, Learner, Means
from oldrestore.training.schedules import Schedule


class SupervisedLearner(Learner):
    """Trains a network on a loss by stochastic gradient descent; see `Learner` for its parameters.

    Several processes (`oldrestore.parallel`) each take their part of every batch: batch norm and loss are those of the
    whole batch, gradients are averaged before they are clipped, so that every process makes the same update.
    `accumulate` is the number of batches whose gradients are averaged into one update.
    """

    @checked
    def __init__(
        self,
        network: nn.Layer,
        loss: Loss,
        optimizer: Callable[..., Any],
        schedule: Schedule | None = None,
        gradient_clip: Annotated[float, Field(ge=0)] = 0.0,
        accumulate: Count = 1,
        amp: Amp = "off",
        ema_decay: Decay = 0.0,
    ) -> None:
        super().__init__(network, loss, optimizer, schedule, gradient_clip, amp, ema_decay)
        self.accumulate = accumulate

    def step(
        self, batches: Sequence[Batch], iteration: int, measure_gradients: bool = False
    ) -> Mapping[str, paddle.Tensor]:
        """Make one update; return the loss and its terms, averaged over the batches."""
        self.network.train()
        self.loss.at(iteration)
        means = Means(len(batches))
        with parallel.together():
            for batch in batches:
                with self.mixed():
                    terms = self.loss.terms(self.predict(batch), batch)
                self.optimizer.backward(terms["loss"] / len(batches))
                means.add(**terms)
        norms = self.optimizer.update(self.schedule(iteration), blocks=measure_gradients)
        if self.average is not None:
            self.average.update()
        return parallel.means(means.values | norms)
