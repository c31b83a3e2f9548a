"""How the weights of one network are updated: its optimizer, and the scaler of its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle
from paddle import nn

from oldrestore import parallel
from oldrestore.errors import UserError
from oldrestore.training.optimizer_state import OptimizerState


class Player:
    """A network's optimizer, the scaler of its loss, and their part of a checkpoint.

    Parameters
    ----------
    layer : nn.Layer
        Whose trainable parameters are updated.
    optimizer : callable
        Makes the optimizer when called with ``parameters`` and ``grad_clip``.
    gradient_clip : float
        Highest global norm of the gradient; 0 is off.
    amp : {"off", "float16", "bfloat16"}
        float16 scales the losses.
    prefix : str
        Put before ``optimizer.`` and ``scaler.`` in the names of a checkpoint's tensors.
    """

    def __init__(
        self, layer: nn.Layer, optimizer: Callable[..., Any], gradient_clip: float, amp: str, prefix: str
    ) -> None:
        named = [(name, p) for name, p in layer.named_parameters() if not p.stop_gradient]
        self._parameters = [p for _, p in named]
        clip = nn.ClipGradByGlobalNorm(gradient_clip) if gradient_clip else None
        try:
            self._optimizer = optimizer(parameters=self._parameters, grad_clip=clip)
        except (ValueError, TypeError, AssertionError) as error:
            raise UserError(f"the optimizer refuses its settings: {' '.join(str(error).split())}") from None
        self.base_learning_rate = float(self._optimizer.get_lr())
        self._state = OptimizerState(self._optimizer, named)
        self._scaler = paddle.amp.GradScaler(enable=amp == "float16")
        self._optimizer_prefix, self._scaler_prefix = f"{prefix}optimizer.", f"{prefix}scaler."

    def backward(self, loss: paddle.Tensor) -> None:
        """Add the gradient of a loss."""
        self._scaler.scale(loss).backward()

    def update(self, factor: float) -> None:
        """Take a step along the added gradients, at `factor` of the learning rate."""
        self._optimizer.set_lr(self.base_learning_rate * factor)
        # Before the scaler looks for infinite gradients, so that all processes agree.
        parallel.average_gradients(self._parameters)
        self._take_step()

    def update_measured(self, factor: float) -> paddle.Tensor:
        """As `update`; returns the norm of the gradient before it is clipped."""
        self._optimizer.set_lr(self.base_learning_rate * factor)
        parallel.average_gradients(self._parameters)
        self._scaler.unscale_(self._optimizer)
        squares = [(p.grad.astype("float32") ** 2).sum() for p in self._parameters if p.grad is not None]
        norm = paddle.sqrt(paddle.stack(squares).sum()).detach()
        self._take_step()
        # Under float16 a step whose gradient overflows is skipped: it is no sign of a loss that has gone wrong.
        return paddle.where(paddle.isfinite(norm), norm, paddle.zeros_like(norm)) if self._scaler.is_enable() else norm

    def _take_step(self) -> None:
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.clear_grad(set_to_zero=False)

    def tensors(self) -> dict[str, np.ndarray]:
        """State of optimizer and scaler."""
        tensors = self._state.tensors(self._optimizer_prefix)
        if self._scaler.is_enable():
            tensors |= {f"{self._scaler_prefix}{k}": np.asarray(v) for k, v in self._scaler.state_dict().items()}
        return tensors

    def load(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Continue from what `tensors` returned."""
        self._state.load(tensors, self._optimizer_prefix)
        if self._scaler.is_enable():
            prefix = self._scaler_prefix
            self._scaler.load_state_dict(
                {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            )


@contextmanager
def frozen(layer: nn.Layer) -> Iterator[None]:
    """Let gradients pass through a network without reaching its weights."""
    trainable = [p for p in layer.parameters() if not p.stop_gradient]
    for parameter in trainable:
        parameter.stop_gradient = True
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.stop_gradient = False
