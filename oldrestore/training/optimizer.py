"""Updates the weights of one network: its optimizer, the scaler of its loss, and their part of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import paddle
from paddle import nn

from oldrestore import parallel
from oldrestore.errors import UserError
from oldrestore.kernels import choice
from oldrestore.training.adam import Adam


class ScaledOptimizer:
    """An optimizer and, for float16, the scaler of the loss.

    In a checkpoint, tensors have structured names such as ``optimizer.model1.0.weight_moment1_0``: Paddle names
    parameters in the order in which a process creates them (``conv2d_7.w_0``), which means nothing to another process.

    Parameters
    ----------
    optimizer : callable
        Builds the optimizer when called with ``parameters`` and ``grad_clip``: a partial of the ``optimizer`` group.
    prefix : str
        Precedes ``optimizer.`` and ``scaler.`` in the names of a checkpoint's tensors.
    """

    def __init__(
        self, network: nn.Layer, optimizer: Callable[..., Any], gradient_clip: float, amp: str, prefix: str = ""
    ) -> None:
        named = [(name, p) for name, p in network.named_parameters() if not p.stop_gradient]
        self._parameters = [p for _, p in named]
        self._structured_names = {p.name: name for name, p in named}
        clip = nn.ClipGradByGlobalNorm(gradient_clip) if gradient_clip else None
        try:
            self._optimizer = optimizer(parameters=self._parameters, grad_clip=clip)
        except (ValueError, TypeError, AssertionError) as error:
            raise UserError(f"the optimizer refuses its settings: {' '.join(str(error).split())}") from None
        self.base_learning_rate = float(self._optimizer.get_lr())
        self._scaler = paddle.amp.GradScaler(enable=amp == "float16")
        self._optimizer_prefix, self._scaler_prefix = f"{prefix}optimizer.", f"{prefix}scaler."

    def backward(self, loss: paddle.Tensor) -> None:
        """Add the gradient of a loss."""
        self._scaler.scale(loss).backward()

    def update(self, factor: float, measured: bool = False, blocks: bool = False) -> dict[str, paddle.Tensor]:
        """Take a step along the added gradients, at `factor` of the learning rate.

        If `measured`, return the norm of the gradient before it is clipped, as ``gradient_norm``; with `blocks` also of
        each direct part of the network, as ``gradient_norm/NAME``.
        """
        self._optimizer.set_lr(self.base_learning_rate * factor)
        # Before the scaler looks for infinite gradients, so that all processes agree.
        parallel.average_gradients(self._parameters)
        norms = self._gradient_norms(blocks) if measured or blocks else {}
        if self._on_all_threads is None:
            self._scaler.step(self._optimizer)
        else:
            self._on_all_threads.step()
        self._scaler.update()
        self._optimizer.clear_grad(set_to_zero=False)
        return norms

    @cached_property
    def _on_all_threads(self) -> Adam | None:
        replaced = not self._scaler.is_enable() and Adam.can_replace(self._optimizer, self._parameters)
        return Adam(self._optimizer, self._parameters) if replaced else None

    def _gradient_norms(self, blocks: bool) -> dict[str, paddle.Tensor]:
        self._scaler.unscale_(self._optimizer)
        # A power takes twenty times as long, and has other last bits, which are those of runs with Paddle's kernels.
        square = paddle.square if choice.described() != "paddle" else lambda x: x**2
        squares: dict[str, list[paddle.Tensor]] = {}
        for parameter in self._parameters:
            if parameter.grad is not None:
                block = self._structured_names[parameter.name].partition(".")[0]
                squares.setdefault(block, []).append(square(parameter.grad.astype("float32")).sum())
        parts = {"gradient_norm": [each for of_block in squares.values() for each in of_block]}
        parts |= {f"gradient_norm/{block}": of_block for block, of_block in squares.items()} if blocks else {}
        norms = {name: paddle.sqrt(paddle.stack(part).sum()).detach() for name, part in parts.items()}
        if not self._scaler.is_enable():
            return norms
        # Under float16 a step whose gradient overflows is skipped: it does not mean that the loss has diverged.
        return {name: paddle.where(paddle.isfinite(n), n, paddle.zeros_like(n)) for name, n in norms.items()}

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the state of optimizer and scaler."""
        tensors: dict[str, np.ndarray] = {}
        for key, value in self._optimizer.state_dict().items():
            owners = [name for name in self._structured_names if key.startswith(f"{name}_")]
            if owners:
                owner = max(owners, key=len)
                name = f"{self._structured_names[owner]}{key.removeprefix(owner)}"
                tensors[f"{self._optimizer_prefix}{name}"] = value.numpy()
        if self._scaler.is_enable():
            tensors |= {f"{self._scaler_prefix}{k}": np.asarray(v) for k, v in self._scaler.state_dict().items()}
        return tensors

    def load(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Continue from what `tensors` returned; names with other prefixes are ignored."""
        paddle_names = {name: paddle_name for paddle_name, name in self._structured_names.items()}
        state: dict[str, paddle.Tensor] = {}
        for key, value in _with_prefix(tensors, self._optimizer_prefix).items():
            name = max((n for n in paddle_names if key.startswith(n)), key=len)
            state[paddle_names[name] + key.removeprefix(name)] = paddle.to_tensor(value)
        self._optimizer.set_state_dict(state)
        if self._scaler.is_enable():
            self._scaler.load_state_dict(_with_prefix(tensors, self._scaler_prefix))


def _with_prefix(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


@contextmanager
def frozen(network: nn.Layer) -> Iterator[None]:
    """Let gradients pass through a network without reaching its weights."""
    trainable = [p for p in network.parameters() if not p.stop_gradient]
    for parameter in trainable:
        parameter.stop_gradient = True
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.stop_gradient = False
