"""What a weights file says of itself: which network it is of, and what it takes to use the file alone."""

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
LONGEST_ENTRY = 2**18  # characters; a run's whole configuration has some 10,000


@dataclass(frozen=True)
class WeightsHeader:
    """What a file of weights says of itself, in the metadata of the safetensors format.

    Imported and shipped weights and checkpoints of runs have it alike. It is untrusted input: whoever builds from it
    goes through `oldrestore.engines.weights_file`.

    Attributes
    ----------
    model : str
        The network: a choice of ``conf/model``, whose settings `settings` changes, or its class
        (``oldrestore.models.eccv16.Eccv16``), all of whose settings are in `settings`.
    settings : dict
        Constructor arguments of the network that belong to these weights (``width``, ``mask_center``) or that say how
        its predictions are decoded (``decoding``, ``temperature``).
    source : str
        Name of the file they were imported from; empty for what a run trained.
    source_sha256 : str
        Of that file, hexadecimal.
    reads : tuple of str
        Fields of a batch that the network reads; empty where the file does not say it.
    trained : dict
        Configuration of the run that trained it, but for the model, trackers and places of files; empty where the file
        does not say it.
    """

    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    source_sha256: str = ""
    reads: tuple[str, ...] = ()
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
        """Whether a network is of the kind that these weights are of."""
        return self.network.replace("_", "").lower() == type(network).__name__.lower()

    def to_metadata(self) -> dict[str, str]:
        """Return it as safetensors metadata, which knows only strings."""
        entries = {
            "model": self.model,
            "settings": json.dumps(self.settings, sort_keys=True),
            "source": self.source,
            "source_sha256": self.source_sha256,
            "reads": " ".join(self.reads),
            "trained": json.dumps(self.trained, sort_keys=True) if self.trained else "",
        }
        return {name: text for name, text in entries.items() if text}


def read_header(path: Path) -> WeightsHeader | None:
    """Read what a weights file says of itself; None where it says nothing, as files of other programs.

    Raises
    ------
    UserError
        When the file is missing, damaged, or of a later format.
    """
    if not path.is_file():
        raise missing_file(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        return _header(metadata)
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
    texts = {name: metadata.get(name, "") for name in ("source", "source_sha256", "reads")}
    for name, text in [("model", metadata["model"]), *texts.items()]:
        _refuse_long(name, text)
    return WeightsHeader(
        current_target(metadata["model"]),
        _table(metadata, "settings"),
        texts["source"],
        texts["source_sha256"],
        tuple(texts["reads"].split()),
        _table(metadata, "trained"),
    )


def _table(metadata: dict[str, str], name: str) -> dict[str, Any]:
    text = metadata.get(name, "") or "{}"
    _refuse_long(name, text)
    table = json.loads(text)
    if not isinstance(table, dict):
        raise ValueError(f"its entry {name} is not a table")
    return with_current_targets(table)


def _refuse_long(name: str, text: str) -> None:
    if len(text) > LONGEST_ENTRY:
        raise ValueError(f"its entry {name} has {len(text)} characters, and {LONGEST_ENTRY} are allowed")


def missing_file(path: Path) -> UserError:
    """Say that a weights file is not there, or that it is a folder and which file in it may be meant."""
    if not path.is_dir():
        return UserError(f"there is no weights file '{path}'")
    inside = sorted([*path.glob("checkpoints/*.safetensors"), *path.glob("*.safetensors")])
    named = [file for file in inside if file.stem == "best"] or inside
    meant = f", such as {named[0]}" if named else ""
    return UserError(f"'{path}' is a folder, not a weights file: name a file{meant}")
