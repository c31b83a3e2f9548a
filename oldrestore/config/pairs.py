"""Which losses fit which networks: a loss reads what a network predicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from oldrestore.config.build import locate
from oldrestore.config.location import configuration_root
from oldrestore.errors import UserError


def check_pair(model: Mapping[str, Any], loss: Mapping[str, Any]) -> None:
    """Refuse a loss that reads what the network does not predict, before anything is built.

    Raises
    ------
    UserError
        Naming both, and the pairs that fit.
    """
    given, wanted = predictions(model), readings(loss)
    if wanted <= given:
        return
    raise UserError(
        f"the loss {loss['_target_']} reads {_list(wanted)} but the model {model['_target_']} predicts "
        f"{_list(given)}: pairs that fit are {'; '.join(fitting_pairs())}"
    )


def predictions(model: Mapping[str, Any]) -> frozenset[str]:
    """What the network of a model node predicts; one that depends on its settings says so by ``predicts_with``."""
    network = locate(model["_target_"])
    return network.predicts_with(model) if hasattr(network, "predicts_with") else network.predicts


def readings(loss: Mapping[str, Any]) -> frozenset[str]:
    """What the loss of a node reads, its terms included."""
    read: frozenset[str] = frozenset()
    if "_target_" in loss:
        read |= getattr(locate(loss["_target_"]), "reads", frozenset())
    for value in loss.values():
        if isinstance(value, Mapping):
            read |= readings(value)
    return read


def fitting_pairs() -> list[str]:
    """Each model of ``conf/model`` with the losses of ``conf/loss`` that fit it."""
    models, losses = _choices("model"), _choices("loss")
    pairs = []
    for name, model in models.items():
        fits = [loss_name for loss_name, loss in losses.items() if readings(loss) <= predictions(model)]
        if fits:
            pairs.append(f"{name} with {', '.join(fits)}")
    return pairs


def _choices(group: str) -> dict[str, dict[str, Any]]:
    folder: Path = configuration_root() / "conf" / group
    nodes = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted(folder.glob("*.yaml"))}
    return {name: node for name, node in nodes.items() if "_target_" in node}


def _list(names: frozenset[str]) -> str:
    return " and ".join(sorted(names)) or "nothing"
