"""An optimizer's tensors under the names that a network gives its parameters, so that they outlive the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import paddle


class OptimizerState:
    """Reads and writes an optimizer's state by structured names, such as ``model1.0.weight_moment1_0``.

    Paddle names parameters in the order in which a process makes them (``conv2d_7.w_0``), and an optimizer's
    tensors after those: such names mean nothing to another process.

    Parameters
    ----------
    parameters : sequence of (str, paddle.Tensor)
        The parameters it was made with and their structured names.
    """

    def __init__(self, optimizer: Any, parameters: Sequence[tuple[str, paddle.Tensor]]) -> None:
        self._optimizer = optimizer
        self._structured_names = {p.name: name for name, p in parameters}

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """Every tensor that belongs to a parameter, under names that begin with `prefix`."""
        structured: dict[str, np.ndarray] = {}
        for key, value in self._optimizer.state_dict().items():
            parameter = self._parameter_of(key)
            if parameter is not None:
                structured[f"{prefix}{self._structured_names[parameter]}{key.removeprefix(parameter)}"] = value.numpy()
        return structured

    def load(self, tensors: Mapping[str, np.ndarray], prefix: str) -> None:
        """Give the optimizer what `tensors` returned; names that do not begin with `prefix` are not looked at."""
        paddle_names = {name: paddle_name for paddle_name, name in self._structured_names.items()}
        state: dict[str, paddle.Tensor] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                key = key.removeprefix(prefix)
                name = max((n for n in paddle_names if key.startswith(n)), key=len)
                state[paddle_names[name] + key.removeprefix(name)] = paddle.to_tensor(value)
        self._optimizer.set_state_dict(state)

    def _parameter_of(self, key: str) -> str | None:
        """Paddle's name of the parameter that an optimizer tensor belongs to; None for what belongs to none."""
        owners = [name for name in self._structured_names if key.startswith(f"{name}_")]
        return max(owners, key=len, default=None)
