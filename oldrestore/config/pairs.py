"""Which losses fit which networks: a loss reads what a network predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from oldrestore.config.build import locate
from oldrestore.config.location import choices_of
from oldrestore.config.yaml_file import read_yaml
from oldrestore.errors import UserError


def check_pair(model: Mapping[str, Any], loss: Mapping[str, Any]) -> None:
    """Refuse a loss that reads what the network does not predict: names both, and the pairs that fit."""
    predicted, required = predictions(model), readings(loss)
    if required <= predicted:
        return
    raise UserError(
        f"the loss {loss['_target_']} reads {_list(required)} but the model {model['_target_']} predicts "
        f"{_list(predicted)}: pairs that fit are {'; '.join(fitting_pairs())}"
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


def fitting_pairs() -> list[str]:
    """Each model of ``conf/model`` with the losses of ``conf/loss`` that fit it."""
    models, losses = choices("model"), choices("loss")
    pairs = []
    for name, model in models.items():
        fits = [loss_name for loss_name, loss in losses.items() if readings(loss) <= predictions(model)]
        if fits:
            pairs.append(f"{name} with {', '.join(fits)}")
    return pairs


def choices(group: str) -> dict[str, dict[str, Any]]:
    """Nodes of the choices of a group of ``conf/``, by name; plain containers."""
    from oldrestore.config.compose import compose_config

    nodes = {name: OmegaConf.to_container(read_yaml(path)) for name, path in choices_of(group).items()}
    # Composing is slow, so only what combines other choices is composed.
    for name in [name for name, node in nodes.items() if "defaults" in node]:
        nodes[name] = OmegaConf.to_container(compose_config([f"{group}={name}"])[group])
    return {name: node for name, node in nodes.items() if "_target_" in node}


def _list(names: frozenset[str]) -> str:
    return " and ".join(sorted(names)) or "nothing"
