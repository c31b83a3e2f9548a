"""Weights of a network to and from safetensors, with every key accounted for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from paddle import nn
from safetensors import SafetensorError
from safetensors.numpy import load_file

from oldrestore.errors import UserError

# A checkpoint of a run holds more than weights: its network stands under these prefixes, the moving average first.
NETWORK_PREFIXES = ("ema.", "model.")


def load_weights(network: nn.Layer, path: Path) -> None:
    """Load a network's weights from a safetensors file: exported weights, or a checkpoint of a run.

    Raises
    ------
    UserError
        When the file is missing or damaged, or a key is missing, left over or of another shape.
    """
    if not path.is_file():
        raise UserError(f"there is no weights file '{path}'")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"'{path}' is not a readable safetensors file: {error}") from None
    set_weights(network, network_weights(tensors), source=str(path))


def network_weights(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pick the network's tensors out of a checkpoint; plain weights are returned as they are."""
    for prefix in NETWORK_PREFIXES:
        picked = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        if picked:
            return picked
    return dict(tensors)


def parameter_count(network: nn.Layer) -> int:
    """Count weights as papers do: the running statistics of batch norm, which Paddle lists too, left out."""
    return sum(
        math.prod(parameter.shape)
        for name, parameter in network.named_parameters()
        if not name.endswith(("._mean", "._variance"))
    )


def set_weights(network: nn.Layer, tensors: Mapping[str, np.ndarray], source: str) -> None:
    """Give a network all of its weights and buffers, or refuse.

    Raises
    ------
    UserError
        Naming what is missing, left over or of another shape.
    """
    state = network.state_dict()
    wrong = [f"{name} is missing" for name in state if name not in tensors]
    wrong += [f"{name} is not of this network" for name in tensors if name not in state]
    wrong += [
        f"{name} has shape {tuple(tensors[name].shape)} instead of {tuple(value.shape)}"
        for name, value in state.items()
        if name in tensors and tuple(tensors[name].shape) != tuple(value.shape)
    ]
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise UserError(f"the weights in '{source}' do not fit {type(network).__name__}: {shown}")
    for name, value in state.items():
        value.set_value(np.ascontiguousarray(tensors[name], dtype=str(value.dtype).rpartition(".")[2]))
