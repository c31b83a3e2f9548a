"""The supervised learner: one network, one loss, one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal

import numpy as np
import paddle
from paddle import nn
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss
from oldrestore.training.checkpoint import Checkpoint
from oldrestore.training.ema import MovingAverage, for_evaluation
from oldrestore.training.optimizer_state import OptimizerState
from oldrestore.training.schedules import Constant, Schedule
from oldrestore.training.synchronised_norm import synchronise_batch_norm


class SupervisedLearner:
    """Trains a network on a loss by stochastic gradient descent.

    Several processes (`oldrestore.parallel`) each take their part of every batch: batch norm and loss are those of the
    whole batch, gradients are averaged before they are clipped, so that every process makes the same update.

    Parameters
    ----------
    network : nn.Layer
        Maps the fields of a `Batch` that it names in ``reads`` to a `Prediction`.
    optimizer : callable
        Makes the optimizer when called with ``parameters`` and ``grad_clip``: a partial from the
        ``optimizer`` group.
    schedule : callable
        Maps an iteration to what multiplies the optimizer's learning rate.
    gradient_clip : float
        Highest global norm of the gradient; 0 is off.
    accumulate : int
        Batches whose gradients are averaged into one update.
    amp : {"off", "float16", "bfloat16"}
        Mixed precision on a GPU: what the forward pass computes in; float16 scales the loss.
    ema_decay : float
        Decay of the moving average of the weights; 0 is off.
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
        if amp != "off" and not paddle.get_device().startswith("gpu"):
            # Paddle would take no notice of it and compute in float32.
            raise UserError(f"trainer.learner.amp={amp} needs a GPU: on a CPU take trainer.learner.amp=off")
        synchronise_batch_norm(network)
        self.network = network
        self.loss = loss
        self.accumulate = accumulate
        self.amp = amp
        self.schedule = schedule or Constant()
        clip = nn.ClipGradByGlobalNorm(gradient_clip) if gradient_clip else None
        trainable = [(name, p) for name, p in network.named_parameters() if not p.stop_gradient]
        self._parameters = [p for _, p in trainable]
        try:
            self.optimizer = optimizer(parameters=self._parameters, grad_clip=clip)
        except (ValueError, TypeError, AssertionError) as error:
            raise UserError(f"the optimizer refuses its settings: {' '.join(str(error).split())}") from None
        self._base_learning_rate = float(self.optimizer.get_lr())
        self._optimizer_state = OptimizerState(self.optimizer, trainable)
        self.scaler = paddle.amp.GradScaler(enable=amp == "float16")
        self.average = MovingAverage(network, ema_decay) if ema_decay else None

    def learning_rate(self, iteration: int) -> float:
        """Learning rate of an update."""
        return self._base_learning_rate * self.schedule(iteration)

    def step(self, batches: Sequence[Batch], iteration: int) -> Mapping[str, paddle.Tensor]:
        """Make one update; returns the loss and its terms, averaged over the batches, on the device."""
        self.network.train()
        self.loss.at(iteration)
        self.optimizer.set_lr(self.learning_rate(iteration))
        scalars: dict[str, paddle.Tensor] = {}
        with parallel.together():
            for batch in batches:
                with paddle.amp.auto_cast(enable=self.amp != "off", dtype=self._amp_dtype(), level="O1"):
                    prediction = self.predict(batch)
                    terms = self.loss.terms(prediction, batch)
                self.scaler.scale(terms["loss"] / len(batches)).backward()
                for name, value in terms.items():
                    share = value.detach() / len(batches)
                    scalars[name] = scalars[name] + share if name in scalars else share
        # Before the scaler looks for what is not finite: all processes find the same.
        parallel.average_gradients(self._parameters)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.clear_grad(set_to_zero=False)
        if self.average is not None:
            self.average.update()
        return parallel.means(scalars)

    @paddle.no_grad()
    def evaluate(self, batch: Batch) -> Mapping[str, paddle.Tensor]:
        """Loss and its terms on photographs that are not trained on."""
        return self.loss.terms(self.predict(batch), batch)

    def predict(self, batch: Batch) -> Prediction:
        """Give the network the fields of a batch that it reads."""
        return self.network(*(getattr(batch, name) for name in self.network.reads))

    def _amp_dtype(self) -> str:
        return "bfloat16" if self.amp == "off" else self.amp

    def evaluation_weights(self) -> AbstractContextManager[None]:
        """Use the moving average, where there is one, in evaluation mode."""
        return for_evaluation(self.network, self.average)

    def checkpoint(self) -> Checkpoint:
        """Weights, moving average, optimizer and scaler."""
        tensors = {f"model.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        state: dict[str, Any] = {}
        tensors |= self._optimizer_state.tensors("optimizer.")
        if self.average is not None:
            tensors |= {f"ema.{name}": value for name, value in self.average.tensors().items()}
            state["ema_updates"] = self.average.updates
        if self.scaler.is_enable():
            scaler = self.scaler.state_dict()
            tensors |= {f"scaler.{k}": np.asarray(v) for k, v in scaler.items()}
        return Checkpoint(tensors=tensors, state=state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same configuration."""
        tensors = checkpoint.tensors
        # A validation may be due before the next update: it sees the loss of the last one.
        self.loss.at(max(0, int(checkpoint.state.get("iteration", 0)) - 1))
        for name, value in self.network.state_dict().items():
            value.set_value(tensors[f"model.{name}"])
        self._optimizer_state.load(tensors, "optimizer.")
        if self.average is not None:
            averaged = {k.removeprefix("ema."): v for k, v in tensors.items() if k.startswith("ema.")}
            self.average.load(averaged, checkpoint.state["ema_updates"])
        if self.scaler.is_enable():
            scaler = {k.removeprefix("scaler."): v for k, v in tensors.items() if k.startswith("scaler.")}
            self.scaler.load_state_dict(scaler)
