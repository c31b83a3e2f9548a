"""The network that a command works with: of a run, of a weights file, or shipped with oldrestore."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from paddle import nn

from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.errors import UserError
from oldrestore.models.released import released_weights
from oldrestore.models.weights import load_weights, read_header
from oldrestore.runs.loading import find_run, load_network, load_run_config

DEFAULT = "lite_unet"
# Of the shorter side, where no run says otherwise: the published networks were trained at 256.
DEFAULT_SIZE = 256


@dataclass(frozen=True)
class ChosenNetwork:
    """A network with its weights, in evaluation mode.

    Attributes
    ----------
    label : str
        For file names: the run's id, or the weights file's name.
    network : nn.Layer
    model : DictConfig
        The configuration that built it, without ``weights``.
    weights : Path
        The file that its weights come from.
    size : int
        Pixels at which it sees photographs, unless the user asks for another size.
    fit : str
        ``shorter_side`` or ``squash``.
    """

    label: str
    network: nn.Layer
    model: DictConfig
    weights: Path
    size: int = DEFAULT_SIZE
    fit: str = "shorter_side"

    @property
    def title(self) -> str:
        """For headings: the network, and which of its kind."""
        kind = type(self.network).__name__
        return self.label if self.label.replace("_", "").lower() == kind.lower() else f"{kind} {self.label}"

    @property
    def predicts_color(self) -> bool:
        """Whether it gives colour for lightness."""
        return hasattr(self.network, "decode") and self.network.reads[0] == "L_b1hw"

    def require_color(self, what: str) -> None:
        """Refuse a network that does not give colour for lightness.

        Raises
        ------
        UserError
            Naming the network and what it does.
        """
        if not self.predicts_color:
            reads, predicts = ", ".join(self.network.reads), ", ".join(sorted(self.network.predicts))
            raise UserError(
                f"{what} needs a network that predicts colour from lightness: {self.label} "
                f"({type(self.network).__name__}) reads {reads} and predicts {predicts}"
            )

    def describe(self) -> dict[str, Any]:
        """Return which weights these are, as plain values."""
        with self.weights.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "name": self.label,
            "network": type(self.network).__name__,
            "weights": str(self.weights),
            "sha256": sha256,
        }


def network_of_run(name: str, outputs: Path, checkpoint: str = "best") -> ChosenNetwork:
    """Load the network of a run.

    Parameters
    ----------
    name : str
        Run folder, run id or its beginning, or ``last``.
    outputs : Path
        Where run ids are looked up.
    checkpoint : str
        ``best``, ``last`` or a kept one.

    Raises
    ------
    UserError
        When there is no such run or checkpoint, or it does not fit.
    """
    folder = find_run(name, outputs)
    config = load_run_config(folder)
    network = load_network(folder, config, checkpoint)
    return ChosenNetwork(
        label=folder.resolve().name,
        network=network,
        model=_without_weights(config.model),
        weights=folder / "checkpoints" / f"{checkpoint}.safetensors",
        size=config.evaluation.size,
        fit=config.evaluation.fit,
    )


def network_of_file(path: Path, model: str | None = None) -> ChosenNetwork:
    """Load the network of a weights file: an imported one, or a checkpoint within a run folder.

    Parameters
    ----------
    path : Path
        safetensors.
    model : str, optional
        A choice of ``conf/model``, needed where the file does not say it itself.

    Raises
    ------
    UserError
        When the file is missing or damaged, says nothing of its network, or does not fit.
    """
    header = read_header(path)
    folder = path.parent.parent
    if header is None and model is None:
        if path.parent.name == "checkpoints" and (folder / "config.yaml").is_file():
            return network_of_run(str(folder), folder.parent, path.stem)
        raise UserError(f"'{path}' does not say which network it is of: add --model NAME (see oldrestore models)")
    if header is not None and model is not None and header.model != model:
        raise UserError(f"'{path}' holds weights of {header.model}, not of {model}: leave --model out")
    name = model or header.model
    node = _without_weights(compose_config([f"model={name}"]).model)
    for setting, value in (header.settings if header else {}).items():
        if setting not in node:
            raise UserError(f"'{path}' records the setting {setting}, which the network {name} does not have")
        node[setting] = value
    network = build(node)
    load_weights(network, path)
    network.eval()
    return ChosenNetwork(label=path.stem, network=network, model=node, weights=path)


def released_network(name: str = DEFAULT) -> ChosenNetwork:
    """Load the network that is shipped with oldrestore, decoded as it was released.

    Raises
    ------
    UserError
        When its weights are not there.
    """
    try:
        released = released_weights(name)
    except UserError as error:
        raise UserError(f"{error}, or take a network of your own with --run RUN") from None
    return replace(network_of_file(released.path, name), size=released.size)


def _without_weights(model: DictConfig) -> DictConfig:
    # The weights are loaded afterwards, and the file that a run started from may be gone.
    return OmegaConf.merge(model, {"weights": None}) if "weights" in model else model
