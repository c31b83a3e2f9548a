"""Weights of a network to and from safetensors, with every key accounted for."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from paddle import nn
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.models.paddle_pickle import read_paddle_state_dict
from oldrestore.models.torch_pickle import read_torch_state_dict
from oldrestore.models.weights_header import WEIGHTS_FORMAT, WeightsHeader, missing_file, read_header

log = logging.getLogger(__name__)

PICKLED = {".pdparams": read_paddle_state_dict, ".pth": read_torch_state_dict, ".pt": read_torch_state_dict}
READABLE = (".pth", ".pt", ".pdparams", ".safetensors")
# What data-parallel training puts before every key: PyTorch's DataParallel, and Paddle's.
WRAPPERS = ("module.", "_layers.")
# Settings that are part of what weights have learnt: with another value their input is unfamiliar to them. The others
# (decoding, temperature) choose how a prediction is read, and any of them may be combined with any weights.
LEARNT_SETTINGS = frozenset({"mask_center"})
# A checkpoint of a run holds more than weights: its network is under these prefixes, the moving average first.
NETWORK_PREFIXES = ("ema.", "model.")


def save_weights(path: Path, tensors: Mapping[str, np.ndarray], header: WeightsHeader) -> None:
    """Write weights and header as safetensors; `path` is the old file or the new one, never a part."""
    metadata = {"format": WEIGHTS_FORMAT, **header.to_metadata()}
    write_atomically(path, save({name: np.ascontiguousarray(t) for name, t in tensors.items()}, metadata=metadata))


def user_weights(network: str, weights: str | None) -> Path:
    """Check that a weights file that the user has is named, exists, and is of a kind that can be read."""
    if weights is None:
        raise UserError(
            f"{network} comes without weights: name a file that you have ({', '.join(READABLE)}) in the setting weights"
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"there is no weights file '{weights}' for {network}")
    if path.suffix not in READABLE:
        raise UserError(f"the weights '{weights}' of {network} must end in one of {', '.join(READABLE)}")
    return path


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read every tensor of a weights file by its ending: safetensors, or a state dict of PyTorch or Paddle.

    Nothing in a pickle is run. What data-parallel training puts before every key is removed.
    """
    if not path.is_file():
        raise missing_file(path)
    try:
        return without_wrapper(PICKLED.get(path.suffix, load_file)(path))
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"'{path}' is not a readable safetensors file: {error}") from None


def without_wrapper(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Remove a ``module.`` or ``_layers.`` in front of every key; other tensors are returned as they are."""
    for wrapper in WRAPPERS * 2:  # it may come twice, and an untrusted file may repeat it any number of times
        if tensors and all(name.startswith(wrapper) for name in tensors):
            tensors = {name.removeprefix(wrapper): tensor for name, tensor in tensors.items()}
    return dict(tensors)


def load_weights(network: nn.Layer, path: Path, added: str | None = None) -> None:
    """Load a network's weights from a file: imported weights, a checkpoint of a run, or a state dict.

    A file from before the part `added` was added to the network may lack all of it; the part then stays as it is. If
    the file records other `LEARNT_SETTINGS` (`WeightsHeader`) than the network's, it is refused; if published
    weights were decoded otherwise, a warning says so.

    Raises
    ------
    UserError
        If the file is missing or damaged, a key is missing, left over or of another shape, or a setting differs.
    """
    header = None if path.suffix in PICKLED and path.is_file() else read_header(path)
    try:
        tensors = network_weights(read_tensors(path))
        if added is not None and not any(name.startswith(f"{added}.") for name in tensors):
            tensors |= {k: v.numpy() for k, v in network.state_dict().items() if k.startswith(f"{added}.")}
        set_weights(network, tensors, source=str(path))
    except MisfitError as error:
        raise _explained(error, network, header, path) from None
    _compare_settings(network, header, path)


def _explained(error: MisfitError, network: nn.Layer, header: WeightsHeader | None, path: Path) -> UserError:
    """Say why weights do not fit, from their file's header."""
    ours = type(network).__name__
    if header is None:
        published = "; oldrestore weights import brings in published PyTorch files" if path.suffix in PICKLED else ""
        return UserError(f"{error} (the file does not say which network it is of{published})")
    if not header.is_of(network):
        return UserError(
            f"the weights in '{path}' are of {header.network} and the configuration builds {ours}: choose the same "
            "network for both"
        )
    if getattr(network, "hints", False) and not header.settings.get("hints"):
        return UserError(f"the weights in '{path}' have learnt no hints: take model.hints=false, or train them first")
    # Settings that a network does not keep shaped its layers. How published weights are decoded is free.
    other = {
        name: value
        for name, value in header.settings.items()
        if getattr(network, name, None) != value and not (header.source and hasattr(network, name))
    }
    if not other:
        return error
    said = ", ".join(f"{name}={value}" for name, value in other.items())
    take = " ".join(f"model.{name}={value}" for name, value in other.items())
    return UserError(
        f"the weights in '{path}' do not fit {ours}: {error.first}; they were made with {said}: take {take}"
    )


def _compare_settings(network: nn.Layer, header: WeightsHeader | None, path: Path) -> None:
    for name, recorded in (header.settings if header else {}).items():
        # A network keeps those of its settings that its forward reads; width shows in the shapes.
        configured = getattr(network, name, recorded)
        if configured == recorded:
            continue
        if name in LEARNT_SETTINGS:
            raise UserError(
                f"the weights in '{path}' were trained with {name}={recorded} and the configuration says {configured}: "
                f"take model.{name}={recorded}"
            )
        if header.source:
            log.warning(
                "the weights in '%s' were published with %s=%s and this configuration decodes with %s: "
                "model.%s=%s gives the published colours",
                *(path, name, recorded, configured, name, recorded),
            )


def network_weights(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pick the network's tensors out of a checkpoint; plain weights are returned as they are."""
    for prefix in NETWORK_PREFIXES:
        picked = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        if picked:
            return without_wrapper(picked)
    return dict(tensors)


def parameter_count(network: nn.Layer) -> int:
    """Count weights as papers do: without the running statistics of batch norm, which Paddle lists too."""
    return sum(
        math.prod(parameter.shape)
        for name, parameter in network.named_parameters()
        if not name.endswith(("._mean", "._variance"))
    )


class MisfitError(UserError):
    """Weights that are not those of a network; `first` is the first fault."""

    def __init__(self, message: str, first: str) -> None:
        super().__init__(message)
        self.first = first


def set_weights(network: nn.Layer, tensors: Mapping[str, np.ndarray], source: str) -> None:
    """Set all weights and buffers of a network, or raise `MisfitError` with what is missing, left over or misshapen."""
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
        raise MisfitError(f"the weights in '{source}' do not fit {type(network).__name__}: {shown}", wrong[0])
    for name, value in state.items():
        value.set_value(np.ascontiguousarray(tensors[name], dtype=str(value.dtype).rpartition(".")[2]))
