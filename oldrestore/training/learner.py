"""What the loop asks of a learner: it owns networks, optimizers and one training step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import paddle
from paddle import nn

from oldrestore.batch import Batch
from oldrestore.training.checkpoint import Checkpoint


class Learner(Protocol):
    """One way of training; the loop knows neither its networks nor its losses."""

    accumulate: int
    network: nn.Layer

    def step(self, batches: Sequence[Batch], iteration: int) -> Mapping[str, paddle.Tensor]:
        """Make one update from `accumulate` batches; returns named scalars; ``loss`` is watched."""

    def evaluate(self, batch: Batch) -> Mapping[str, paddle.Tensor]:
        """Return the same named scalars for photographs that are not trained on, without learning."""

    def learning_rate(self, iteration: int) -> float:
        """Return the learning rate of an update."""

    def evaluation_weights(self) -> AbstractContextManager[None]:
        """Give `network` the weights that are evaluated and put it in evaluation mode, as a context."""

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on exactly."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
