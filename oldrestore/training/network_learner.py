"""What learners share: a network and its loss, mixed precision, the moving average, their part of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import paddle
from paddle import nn

from oldrestore.batch import Batch, Prediction
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss
from oldrestore.training.checkpoint import Checkpoint
from oldrestore.training.ema import MovingAverage, for_evaluation
from oldrestore.training.schedules import Constant, Schedule
from oldrestore.training.synchronised_norm import synchronise_batch_norm


class NetworkLearner:
    """A network that learns by a loss; a subclass owns the optimizers and makes the steps.

    Parameters
    ----------
    network : nn.Layer
        Maps the fields of a `Batch` that it names in ``reads`` to a `Prediction`.
    schedule : callable, optional
        Maps an iteration to what multiplies every learning rate.
    amp : {"off", "float16", "bfloat16"}
        Mixed precision on a GPU: what forward passes compute in; float16 scales the losses.
    ema_decay : float
        Decay of the moving average of the network's weights; 0 is off.
    """

    def __init__(self, network: nn.Layer, loss: Loss, schedule: Schedule | None, amp: str, ema_decay: float) -> None:
        if amp != "off" and not paddle.get_device().startswith("gpu"):
            # Paddle would ignore it and compute in float32.
            raise UserError(f"trainer.learner.amp={amp} needs a GPU: on a CPU take trainer.learner.amp=off")
        synchronise_batch_norm(network)
        self.network = network
        self.loss = loss
        self.schedule = schedule or Constant()
        self.amp = amp
        self.average = MovingAverage(network, ema_decay) if ema_decay else None

    @paddle.no_grad()
    def evaluate(self, batch: Batch) -> Mapping[str, paddle.Tensor]:
        """Loss and its terms on photographs that are not trained on."""
        return self.loss.terms(self.predict(batch), batch)

    def predict(self, batch: Batch) -> Prediction:
        """Give the network the fields of a batch that it reads."""
        return self.network(*(getattr(batch, name) for name in self.network.reads))

    def mixed(self) -> AbstractContextManager[None]:
        """Compute in mixed precision, if it is on."""
        dtype = "bfloat16" if self.amp == "off" else self.amp
        return paddle.amp.auto_cast(enable=self.amp != "off", dtype=dtype, level="O1")

    def evaluation_weights(self) -> AbstractContextManager[None]:
        """Use the moving average, if there is one, in evaluation mode."""
        return for_evaluation(self.network, self.average)

    def checkpoint(self) -> Checkpoint:
        """Weights and moving average; subclasses add to the tensors."""
        tensors = {f"model.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        state: dict[str, Any] = {}
        if self.average is not None:
            tensors |= {f"ema.{name}": value for name, value in self.average.tensors().items()}
            state["ema_updates"] = self.average.updates
        return Checkpoint(tensors=tensors, state=state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same configuration."""
        # A validation may be due before the next update: it sees the loss of the last one.
        self.loss.at(max(0, int(checkpoint.state.get("iteration", 0)) - 1))
        for name, value in self.network.state_dict().items():
            value.set_value(checkpoint.tensors[f"model.{name}"])
        if self.average is not None:
            averaged = {k.removeprefix("ema."): v for k, v in checkpoint.tensors.items() if k.startswith("ema.")}
            self.average.load(averaged, checkpoint.state["ema_updates"])


class Means:
    """Means of named scalars over `count` batches, detached."""

    def __init__(self, count: int) -> None:
        self.values: dict[str, paddle.Tensor] = {}
        self._count = count

    def add(self, /, **scalars: paddle.Tensor) -> None:
        """Add the scalars of one batch."""
        for name, value in scalars.items():
            share = value.detach() / self._count
            self.values[name] = self.values[name] + share if name in self.values else share
