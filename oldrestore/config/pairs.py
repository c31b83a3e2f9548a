"""Which losses fit which networks: a loss reads what a network predicts."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from oldrestore.config.build import locate
from oldrestore.config.location import choices_of
from oldrestore.config.yaml_file import read_yaml
from oldrestore.errors import UserError

# Settings on which depends what a loss reads or a network predicts, with the values that are suggested; None reads ab.
REMEDIES: tuple[tuple[str, Any], ...] = (("annealed_mean", 0.38), ("annealed_mean", None), ("stage", "full"))
MOST_NAMES = 2  # in a suggestion


def check_pair(model: Mapping[str, Any], loss: Mapping[str, Any]) -> None:
    """Refuse a loss that reads what the network does not predict: the sentence names both, and what would fit.

    That is the one setting that makes them fit, if there is one, and the models and losses that do.
    """
    predicted, required = predictions(model), readings(loss)
    if required <= predicted:
        return
    raise UserError(
        f"the loss {_class_of(loss)} reads {_list(required)} but the model {_class_of(model)} predicts "
        f"{_list(predicted)}: {_suggestion(model, loss)}"
    )


def predictions(model: Mapping[str, Any]) -> frozenset[str]:
    """What the network of a model node predicts; ``predicts_with`` tells if it depends on settings."""
    network = locate(model["_target_"])
    return network.predicts_with(model) if hasattr(network, "predicts_with") else network.predicts


def readings(loss: Mapping[str, Any]) -> frozenset[str]:
    """What the loss of a node and its terms read; ``reads_with`` tells if it depends on settings."""
    read: frozenset[str] = frozenset()
    if "_target_" in loss:
        target = locate(loss["_target_"])
        reads = target.reads_with(loss) if hasattr(target, "reads_with") else getattr(target, "reads", None)
        # The network inside a loss (a perceptual one) reads fields of a batch, which are a tuple.
        read |= reads if isinstance(reads, frozenset) else frozenset()
    for value in loss.values():
        if isinstance(value, Mapping):
            read |= readings(value)
    return read


def _suggestion(model: Mapping[str, Any], loss: Mapping[str, Any]) -> str:
    """Say in a few words which setting, which models and which losses would fit."""
    setting = next(_settings_that_fit(model, loss), None)
    fitting = {
        "model": [name for name, node in choices("model").items() if readings(loss) <= predictions(node)],
        "loss": [name for name, node in choices("loss").items() if readings(node) <= predictions(model)],
    }
    others = []
    for kind, names in fitting.items():
        more = ", ..." if len(names) > MOST_NAMES else ""
        others += [f"{kind} ({', '.join(names[:MOST_NAMES])}{more})"] if names else []
    ways = [f"set {setting}"] if setting is not None else []
    ways += [f"choose another {' or '.join(others)}"] if others else []
    return ", or ".join(ways) or "no model fits this loss, and no loss this model"


def _settings_that_fit(model: Mapping[str, Any], loss: Mapping[str, Any]) -> Iterator[str]:
    """Yield the single settings, as they are typed, with each of which the pair fits."""
    for path, part in (*_components(loss, "loss"), *_components(model, "model")):
        for name, value in REMEDIES:
            if name not in inspect.signature(locate(part["_target_"])).parameters or part.get(name) == value:
                continue
            root, *places = path.split(".")
            pair = {"model": model, "loss": loss}
            pair[root] = _with(pair[root], places, name, value)
            if readings(pair["loss"]) <= predictions(pair["model"]):
                typed = f"{path}.{name}" if name in part else f"+{path}.{name}"
                yield f"{typed}={'null' if value is None else value}"


def _components(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "_target_" in node:
        yield path, node
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _components(value, f"{path}.{name}")


def _with(node: Mapping[str, Any], path: list[str], name: str, value: Any) -> dict[str, Any]:
    """Return a node with another value of a setting of the component at a path."""
    if not path:
        return {**node, name: value}
    return {**node, path[0]: _with(node[path[0]], path[1:], name, value)}


def choices(group: str) -> dict[str, dict[str, Any]]:
    """Nodes of the choices of a group of ``conf/``, by name; plain containers."""
    nodes = {name: OmegaConf.to_container(read_yaml(path)) for name, path in choices_of(group).items()}
    # Composing is slow, so only what combines other choices is composed, and only once.
    for name, path in choices_of(group).items():
        if "defaults" in nodes[name]:
            nodes[name] = copy.deepcopy(_composed(group, name, path, path.stat().st_mtime_ns))
    return {name: node for name, node in nodes.items() if "_target_" in node}


@cache
def _composed(group: str, name: str, path: Path, changed: int) -> dict[str, Any]:
    """Compose a choice of a group; `path` and `changed` tell files of one name, and edits, apart."""
    from oldrestore.config.compose import compose_config

    return OmegaConf.to_container(compose_config([f"{group}={name}"])[group])


def _class_of(node: Mapping[str, Any]) -> str:
    return str(node["_target_"]).rpartition(".")[2]


def _list(names: frozenset[str]) -> str:
    return " and ".join(sorted(names)) or "nothing"
