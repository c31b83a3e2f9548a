"""The network that a command works with: of a run, of a weights file, or shipped with oldrestore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig
from paddle import nn

from oldrestore.config.compose import compose_config
from oldrestore.config.schema import Evaluation
from oldrestore.config.values import check_value
from oldrestore.engines.weights_file import load_file, model_of, says_nothing
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import predicts_color
from oldrestore.files import sha256_of
from oldrestore.models.released import released_weights
from oldrestore.models.weights_header import WeightsHeader, read_header
from oldrestore.records.finding import checkpoint_in_run, find_checkpoint, is_weights_file
from oldrestore.records.run import Run
from oldrestore.records.trained_network import without_weights

DEFAULT = "lite_unet"
# Of the shorter side, unless a run says otherwise: the published networks were trained at 256.
DEFAULT_SIZE = 256


@dataclass(frozen=True)
class ChosenNetwork:
    """A network with its weights, in evaluation mode."""

    label: str  # the run's id, or the weights file's name
    network: nn.Layer
    model: DictConfig  # the configuration that built it, without ``weights``
    weights: Path  # the file of its weights
    size: int = DEFAULT_SIZE  # pixels at which it sees photographs, unless the user asks for another size
    fit: str = "shorter_side"  # or "squash"
    run: Run | None = None  # that trained it, if it was chosen by its run
    design: str = ""  # name of the run's design
    origin: str = ""  # who published imported weights, and their licence

    @property
    def title(self) -> str:
        """For headings: the network, and which of its kind."""
        kind, name = type(self.network).__name__, self.design or self.label
        return name if name.replace("_", "").lower() == kind.lower() else f"{kind} {name}"

    @property
    def predicts_color(self) -> bool:
        """Whether it predicts colour from lightness."""
        return predicts_color(self.network)

    def require_color(self, what: str) -> None:
        """Refuse a network that does not predict colour from lightness."""
        if not self.predicts_color:
            reads, predicts = ", ".join(self.network.reads), ", ".join(sorted(self.network.predicts))
            raise UserError(
                f"{what} needs a network that predicts colour from lightness: {self.label} "
                f"({type(self.network).__name__}) reads {reads} and predicts {predicts}"
            )

    def describe(self) -> dict[str, Any]:
        """Identify the weights, in plain values."""
        return {
            "name": self.label,
            **({"design": self.design} if self.design else {}),
            "network": type(self.network).__name__,
            "weights": str(self.weights),
            "sha256": sha256_of(self.weights),
            **({"origin": self.origin} if self.origin else {}),
        }


def network_of_run(name: str, outputs: Path, checkpoint: str | None = None) -> ChosenNetwork:
    """Load the network of a run; name and checkpoint are as for `oldrestore.records.finding.find_checkpoint`."""
    if is_weights_file(name):
        raise UserError(f"'{name}' is a weights file and stands in no run folder: give it with --weights")
    folder, checkpoint = find_checkpoint(name, outputs, checkpoint)
    run = Run(folder)
    config = run.composed
    network = run.network(checkpoint, config)
    return ChosenNetwork(
        label=folder.resolve().name,
        network=network,
        model=without_weights(config.model),
        weights=folder / "checkpoints" / f"{checkpoint}.safetensors",
        size=config.evaluation.size,
        fit=config.evaluation.fit,
        run=run,
        design=run.design,
    )


def network_of_file(path: Path, model: str | None = None) -> ChosenNetwork:
    """Load the network of a safetensors file: an imported one, or a checkpoint, also one that was copied elsewhere.

    `model` is a choice of ``conf/model`` and settings (``eccv16,width=0.5``); needed if the file does not describe its
    network. A file that is missing or damaged, or does not fit, is a `UserError`.
    """
    header = read_header(path)
    if model is None and checkpoint_in_run(path) is not None:
        return network_of_run(str(path), path.parent)
    if header is None and model is None:
        raise says_nothing(path, "--model NAME or --model NAME,width=0.5")
    name, *settings = (model or "").split(",")
    typed = compose_config([f"model={name}", *(f"model.{setting}" for setting in settings)]).model if name else None
    if header is None:
        node = without_weights(typed)
    else:
        node = model_of(path, header)
        if typed is not None and (settings or typed["_target_"] != node["_target_"]):
            raise UserError(f"'{path}' says that it holds weights of {header.network}: leave --model {model} out")
    network = load_file(path, node, described=header is not None)
    origin = header.origin if header is not None else ""
    return ChosenNetwork(path.stem, network, node, path, origin=origin, **_seen_at(path, header))


def _seen_at(path: Path, header: WeightsHeader | None) -> dict[str, Any]:
    """Size and fit at which photographs are seen, if a run recorded it; checked, since a file may say anything."""
    evaluation = header.trained.get("evaluation") if header is not None else None
    if not isinstance(evaluation, Mapping):
        return {}
    ranges = {name: Evaluation.model_fields[name] for name in ("size", "fit")}
    return {
        name: check_value(evaluation[name], Annotated[field.annotation, field], f"evaluation.{name} in '{path}'")
        for name, field in ranges.items()
        if name in evaluation
    }


def released_network(name: str = DEFAULT) -> ChosenNetwork:
    """Load the network that is shipped with oldrestore, decoded as it was released."""
    try:
        released = released_weights(name)
    except UserError as error:
        raise UserError(f"{error}, or take a network of your own with --run RUN") from None
    return replace(network_of_file(released.path, name), size=released.size)
