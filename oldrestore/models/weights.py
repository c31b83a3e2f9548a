"""Weights of a network to and from safetensors, with every key accounted for."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from oldrestore.errors import UserError

log = logging.getLogger(__name__)

WEIGHTS_FORMAT = "oldrestore-weights-1"
# Settings that are part of what weights have learnt: with another value they see what they do not know. The others
# (decoding, temperature) choose how a prediction is read, and any of them may be combined with any weights.
LEARNT_SETTINGS = frozenset({"mask_center"})

# A checkpoint of a run holds more than weights: its network stands under these prefixes, the moving average first.
NETWORK_PREFIXES = ("ema.", "model.")


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says of itself, in the metadata of the safetensors format.

    Attributes
    ----------
    model : str
        Name of the network, a choice of ``conf/model``.
    settings : dict
        Constructor arguments of the network that belong to these weights (``width``, ``mask_center``) or that give
        the colours they were published with (``decoding``).
    source : str
        Name of the file they came from.
    source_sha256 : str
        Of that file, hexadecimal.
    """

    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    source_sha256: str = ""

    def to_metadata(self) -> dict[str, str]:
        """Return it as safetensors metadata, which knows only strings."""
        return {
            "format": WEIGHTS_FORMAT,
            "model": self.model,
            "settings": json.dumps(self.settings, sort_keys=True),
            "source": self.source,
            "source_sha256": self.source_sha256,
        }


def read_header(path: Path) -> WeightsHeader | None:
    """Read what a weights file says of itself; None for plain tensors and for checkpoints of runs.

    Raises
    ------
    UserError
        When the file is missing or damaged.
    """
    if not path.is_file():
        raise UserError(f"there is no weights file '{path}'")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != WEIGHTS_FORMAT:
            return None
        settings = json.loads(metadata["settings"])
        if not isinstance(settings, dict):
            raise ValueError("its settings are not a table")
        named = {name: metadata.get(name, "") for name in ("source", "source_sha256")}
        return WeightsHeader(metadata["model"], settings, **named)
    except (SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
        raise UserError(f"'{path}' is not a readable safetensors file: {error}") from None


def save_weights(path: Path, tensors: Mapping[str, np.ndarray], header: WeightsHeader) -> None:
    """Write weights and header as safetensors; `path` is the old file or the new one, never a part."""
    content = save({name: np.ascontiguousarray(t) for name, t in tensors.items()}, metadata=header.to_metadata())
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        neighbour.write_bytes(content)
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read every tensor of a safetensors file.

    Raises
    ------
    UserError
        When the file is missing or damaged.
    """
    if not path.is_file():
        raise UserError(f"there is no weights file '{path}'")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"'{path}' is not a readable safetensors file: {error}") from None


def load_weights(network: nn.Layer, path: Path) -> None:
    """Load a network's weights from a safetensors file: imported weights, or a checkpoint of a run.

    Where the file records settings (`WeightsHeader`) that the network has otherwise, a way of decoding is said in
    a warning, for it is free; what would feed the weights something that they have not learnt is refused.

    Raises
    ------
    UserError
        When the file is missing or damaged, a key is missing, left over or of another shape, or a recorded
        setting is not the network's.
    """
    set_weights(network, network_weights(read_tensors(path)), source=str(path))
    _compare_settings(network, read_header(path), path)


def _compare_settings(network: nn.Layer, header: WeightsHeader | None, path: Path) -> None:
    for name, recorded in (header.settings if header else {}).items():
        # A network keeps those of its settings that its forward reads; width shows in the shapes.
        configured = getattr(network, name, recorded)
        if configured == recorded:
            continue
        if name in LEARNT_SETTINGS:
            raise UserError(
                f"the weights in '{path}' have learnt with {name}={recorded} and the configuration says {configured}: "
                f"take model.{name}={recorded}"
            )
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
