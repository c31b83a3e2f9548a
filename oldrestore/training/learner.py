"""What learners share: network, loss, optimizer, mixed precision, moving average, and their part of a checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, Literal

import numpy as np
import paddle
from paddle import nn
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss
from oldrestore.training.checkpoint import Checkpoint
from oldrestore.training.optimizer import ScaledOptimizer
from oldrestore.training.schedules import Constant, Schedule
from oldrestore.training.synchronised_norm import synchronise_batch_norm

Amp = Literal["off", "float16", "bfloat16"]
Count = Annotated[int, Field(ge=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Learner(ABC):
    """A network that learns by a loss; a subclass makes the steps. The loop knows neither network nor loss.

    Parameters
    ----------
    network : nn.Layer
        Maps the fields of a `Batch` that it names in ``reads`` to a `Prediction`.
    optimizer : callable
        Of the network; see `ScaledOptimizer`.
    schedule : callable, optional
        Maps an iteration to what multiplies every learning rate.
    gradient_clip : float
        Highest global norm of the gradient; 0 is off.
    amp : {"off", "float16", "bfloat16"}
        Mixed precision on a GPU: what forward passes compute in; float16 scales the losses.
    ema_decay : float
        Decay of the moving average of the network's weights; 0 is off.
    """

    accumulate: int  # batches that a step takes

    def __init__(
        self,
        network: nn.Layer,
        loss: Loss,
        optimizer: Callable[..., Any],
        schedule: Schedule | None,
        gradient_clip: float,
        amp: str,
        ema_decay: float,
    ) -> None:
        if amp != "off" and not paddle.get_device().startswith("gpu"):
            # Paddle would ignore it and compute in float32.
            raise UserError(f"trainer.learner.amp={amp} needs a GPU: on a CPU take trainer.learner.amp=off")
        synchronise_batch_norm(network)
        self.network = network
        self.loss = loss
        self.schedule = schedule or Constant()
        self.amp = amp
        self.average = MovingAverage(network, ema_decay) if ema_decay else None
        self.optimizer = ScaledOptimizer(network, optimizer, gradient_clip, amp)

    @abstractmethod
    def step(
        self, batches: Sequence[Batch], iteration: int, measure_gradients: bool = False
    ) -> Mapping[str, paddle.Tensor]:
        """Make the updates of one iteration; return named scalars on the device, of which ``loss`` is watched.

        `measure_gradients` adds the norms of `ScaledOptimizer.update`, and changes nothing else.
        """

    @paddle.no_grad()
    def evaluate(self, batch: Batch) -> Mapping[str, paddle.Tensor]:
        """Return the loss and its terms on photographs that are not trained on."""
        return self.loss.terms(self.predict(batch), batch)

    def predict(self, batch: Batch) -> Prediction:
        """Give the network the fields of a batch that it reads."""
        return self.network(*self.read(batch))

    def read(self, batch: Batch) -> list[paddle.Tensor | None]:
        """Return the fields of a batch that the network reads, its lightness as old film saw it if that is there."""
        film = {} if batch.film_b1hw is None else {"L_b1hw": batch.film_b1hw}
        return [film.get(name, getattr(batch, name)) for name in self.network.reads]

    def learning_rate(self, iteration: int) -> float:
        """Return the network's learning rate at an iteration."""
        return self.optimizer.base_learning_rate * self.schedule(iteration)

    def mixed(self) -> AbstractContextManager[None]:
        """Compute in mixed precision, if it is on."""
        dtype = "bfloat16" if self.amp == "off" else self.amp
        return paddle.amp.auto_cast(enable=self.amp != "off", dtype=dtype, level="O1")

    @contextmanager
    def evaluation_weights(self) -> Iterator[None]:
        """Put the network in evaluation mode, with its moving average if there is one."""
        self.network.eval()
        try:
            if self.average is None:
                yield
            else:
                with self.average.applied():
                    yield
        finally:
            self.network.train()

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to resume exactly."""
        tensors = {f"model.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        state: dict[str, Any] = {}
        if self.average is not None:
            tensors |= {f"ema.{name}": value for name, value in self.average.tensors().items()}
            state["ema_updates"] = self.average.updates
        return Checkpoint(tensors=tensors | self.optimizer.tensors(), state=state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Resume from a checkpoint of the same configuration."""
        # A validation may be due before the next update: it sees the loss of the last one.
        self.loss.at(max(0, int(checkpoint.state.get("iteration", 0)) - 1))
        for name, value in self.network.state_dict().items():
            value.set_value(checkpoint.tensors[f"model.{name}"])
        if self.average is not None:
            averaged = {k.removeprefix("ema."): v for k, v in checkpoint.tensors.items() if k.startswith("ema.")}
            self.average.load(averaged, checkpoint.state["ema_updates"])
        self.optimizer.load(checkpoint.tensors)


class MovingAverage:
    """Average of a network's state over training: average = decay * average + (1 - decay) * weights.

    Early on the decay is min(decay, (1 + n) / (10 + n)) after n updates, so that the random start fades.
    Whole-number buffers and the running statistics of batch norm are copied, not averaged: they are averages.
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
        """Add the network's weights to the average."""
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
        """Continue from a saved average."""
        for name, value in self._shadow.items():
            value.set_value(tensors[name])
        self.updates = updates


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
