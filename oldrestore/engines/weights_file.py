"""Weights files without a run: the description that a checkpoint carries, and the network that it describes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from paddle import nn
from paddle.nn.initializer import Initializer
from safetensors import safe_open

from oldrestore.config.build import build, locate, refuse_interpolations
from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.roles import Role, role_of
from oldrestore.config.signature import check_component
from oldrestore.errors import UserError
from oldrestore.models.weights import load_weights
from oldrestore.models.weights_header import WeightsHeader, read_header

# Numbers that a network may hold beside those of its file: a frozen encoder comes from its package.
BESIDE_FILE = 32_000_000


def header_of_run(config: DictConfig, network: nn.Layer) -> WeightsHeader:
    """Return the description that a run's checkpoints carry."""
    plain = OmegaConf.to_container(config, resolve=True)
    model = plain["model"]
    settings = {name: value for name, value in model.items() if name not in ("_target_", "weights")}
    trained = {
        name: _without_files(value, name)
        for name, value in plain.items()
        if name != "model" and Role.LOCAL not in role_of(name)  # the network has an entry of its own
    }
    return WeightsHeader(model["_target_"], settings, reads=tuple(network.reads), trained=trained)


def _without_files(node: Any, name: str) -> Any:
    """Leave out paths: elsewhere the same path is another file, and it reveals the names of somebody's folders."""
    if isinstance(node, Mapping):
        return {key: _without_files(value, f"{name}.{key}") for key, value in node.items()}
    if isinstance(node, list):
        return [_without_files(value, f"{name}.{index}") for index, value in enumerate(node)]
    if not isinstance(node, str) or node == "released":
        return node
    is_path = role_of(name) & (Role.PLACE | Role.FILE) or Path(node).is_absolute() or node.startswith("~")
    return None if is_path else node


def model_of(path: Path, header: WeightsHeader) -> DictConfig:
    """Return the ``model`` node that a weights file describes, checked: it is untrusted input."""
    try:
        if header.names_class:
            node = {"_target_": header.model, **header.settings}
        else:
            node = OmegaConf.to_container(compose_config([f"model={header.model}"]).model)
            for setting, value in header.settings.items():
                if setting not in node:
                    raise UserError(f"there is no setting {setting} of {header.model}")
                node[setting] = value
        network = locate(node["_target_"])
        if not (inspect.isclass(network) and issubclass(network, nn.Layer) and hasattr(network, "predicts")):
            raise UserError(f"'{node['_target_']}' is not a network")
        # A file must not name another file to be read.
        node = {**node, "weights": None} if "weights" in inspect.signature(network).parameters else node
        refuse_interpolations(node)
        check_component(node, "model")
    except UserError as error:
        raise UserError(f"'{path}' does not say properly which network it is of: {error}") from None
    return OmegaConf.create(node)


def load_file(path: Path, model: DictConfig, described: bool = True) -> nn.Layer:
    """Build the network of a ``model`` node with the weights of a file, in evaluation mode.

    A node that the file itself describes must not build a network much larger than the file. A file that is missing or
    damaged, or does not fit the network, is a `UserError`.
    """
    with _no_larger_than(path) if described else nullcontext():
        network = build(model)
    if not isinstance(network, nn.Layer):
        raise UserError(f"'{path}' does not say properly which network it is of: its settings make none")
    load_weights(network, path)
    network.eval()
    return network


@contextmanager
def _no_larger_than(path: Path) -> Iterator[None]:
    """Refuse to build a network that is much larger than the file that describes it."""
    with safe_open(path, framework="numpy") as file:
        numbers = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (not a dict)
    original, count = Initializer.__call__, 0

    def counted(self, parameter, block=None):
        nonlocal count
        count += math.prod(parameter.shape)
        if count > numbers + BESIDE_FILE:
            raise UserError(f"'{path}' describes a network with far more weights than the file holds")
        return original(self, parameter, block)

    Initializer.__call__ = counted
    try:
        yield
    finally:
        Initializer.__call__ = original


def config_of_file(path: Path, outputs: Path, overrides: Sequence[str]) -> DictConfig:
    """Return the configuration under which a weights file is evaluated.

    That of the run that trained it, if the file records it, without the places of files; else the defaults, with the
    network that the file or an override names. Without either it is a `UserError`.
    """
    header = read_header(path)
    if header is None and not any(text.startswith("model=") for text in overrides):
        raise says_nothing(path, "model=NAME with its settings")
    if header is not None and header.trained:
        base = OmegaConf.create({**header.trained, "tracking": {}, "run_id": None})
    else:
        base = compose_config(["tracking=none"])
    if header is not None:
        base.model = model_of(path, header)
    base.outputs = str(outputs)
    return override_config(base, overrides)


def says_nothing(path: Path, instead: str) -> UserError:
    """Return the error of a file that does not describe its network, with what to give."""
    return UserError(
        f"'{path}' does not say which network it is of, as files of other programs and earlier versions: give the run "
        f"that it is from, or add {instead} (see oldrestore models)"
    )
