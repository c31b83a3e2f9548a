"""The header of a weights file: which network it is of, and what is needed to use the file alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddle import nn
from safetensors import SafetensorError, safe_open

from oldrestore.config.aliases import current_target, with_current_targets
from oldrestore.errors import UserError

WEIGHTS_FORMAT = "oldrestore-weights-1"
CHECKPOINT_FORMAT = "oldrestore-checkpoint-1"
FORMATS = (WEIGHTS_FORMAT, CHECKPOINT_FORMAT)
EXPORTS = (".pdiparams", ".pdmodel", ".onnx")  # of `weights export`
LONGEST_ENTRY = 2**18  # characters; a run's whole configuration has some 10,000


@dataclass(frozen=True)
class WeightsHeader:
    """What a file of weights, or a checkpoint of a run, declares in its safetensors metadata.

    It is untrusted input: whoever builds from it goes through `oldrestore.engines.weights_file`.
    """

    # A choice of ``conf/model`` or the class (``oldrestore.models.eccv16.Eccv16``), all of whose settings follow.
    model: str
    # Constructor arguments that belong to the weights (``width``) or say how predictions are decoded (``decoding``).
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = ""  # name of the file they were imported from; empty for what a run trained
    source_sha256: str = ""  # of that file, hex
    origin: str = ""  # who published that file, and under which licence
    reads: tuple[str, ...] = ()  # fields of a batch that the network reads
    # Configuration of the run that trained it, but for the model, trackers and places of files.
    trained: dict[str, Any] = field(default_factory=dict)

    @property
    def names_class(self) -> bool:
        """Whether `model` is a class and not a choice of ``conf/model``."""
        return "." in self.model

    @property
    def network(self) -> str:
        """The network in a word, for sentences."""
        return self.model.rpartition(".")[2]

    def is_of(self, network: nn.Layer) -> bool:
        """Whether these weights are of this kind of network."""
        return self.network.replace("_", "").lower() == type(network).__name__.lower()

    def to_metadata(self) -> dict[str, str]:
        """Return it as safetensors metadata, which holds only strings."""
        entries = {
            "model": self.model,
            "settings": json.dumps(self.settings, sort_keys=True),
            "source": self.source,
            "source_sha256": self.source_sha256,
            "origin": self.origin,
            "reads": " ".join(self.reads),
            "trained": json.dumps(self.trained, sort_keys=True) if self.trained else "",
        }
        return {name: text for name, text in entries.items() if text}


def read_header(path: Path) -> WeightsHeader | None:
    """Read the header of a weights file; None if it has none, as files of other programs.

    Raises `UserError` if the file is missing, damaged, or of a later format.
    """
    if not path.is_file():
        raise missing_file(path)
    if path.suffix in EXPORTS:
        raise UserError(
            f"'{path}' is an inference export, for other programs: give the run or .safetensors file that it is of"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            return _header(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"'{path}' is not a readable safetensors file: {error}") from None


def _header(metadata: dict[str, str]) -> WeightsHeader | None:
    written_as = metadata.get("format", "")
    if written_as not in FORMATS and written_as.startswith("oldrestore-"):
        raise ValueError(f"its format is {written_as[:40]} and this version reads {' and '.join(FORMATS)}")
    # Checkpoints of earlier versions hold a run's state and do not say whose it is.
    if written_as not in FORMATS or (written_as == CHECKPOINT_FORMAT and "model" not in metadata):
        return None
    if "model" not in metadata:
        raise ValueError("it does not say which network it is of")
    return WeightsHeader(
        current_target(_text(metadata, "model")),
        _table(metadata, "settings"),
        _text(metadata, "source"),
        _text(metadata, "source_sha256"),
        _text(metadata, "origin"),
        tuple(_text(metadata, "reads").split()),
        _table(metadata, "trained"),
    )


def _text(metadata: dict[str, str], name: str) -> str:
    text = metadata.get(name, "")
    if len(text) > LONGEST_ENTRY:
        raise ValueError(f"its entry {name} has {len(text)} characters, and {LONGEST_ENTRY} are allowed")
    return text


def _table(metadata: dict[str, str], name: str) -> dict[str, Any]:
    table = json.loads(_text(metadata, name) or "{}")
    if not isinstance(table, dict):
        raise ValueError(f"its entry {name} is not a table")
    return with_current_targets(table)


def missing_file(path: Path) -> UserError:
    """Say that a weights file does not exist, or that it is a folder and which file in it may be meant."""
    if not path.is_dir():
        return UserError(f"there is no weights file '{path}'")
    inside = sorted([*path.glob("checkpoints/*.safetensors"), *path.glob("*.safetensors")])
    named = [file for file in inside if file.stem == "best"] or inside
    meant = f", such as {named[0]}" if named else ""
    return UserError(f"'{path}' is a folder, not a weights file: name a file{meant}")
