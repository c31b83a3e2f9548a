"""What a sink is: the calls that it takes, and what it is told of a run.

A new tracker is a class with the calls of `Sink` in ``oldrestore/tracking/`` and its settings in
``conf/tracking/NAME.yaml``. `oldrestore.tracking.tracker` reads the run folder for it: in a thread of the run, when a
run is resumed, and in ``oldrestore sync``. Each time that is everything from the beginning, so in `start` a sink asks
its tracker what it has, and leaves that out or writes it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from oldrestore.records.design_names import name_of_run
from oldrestore.records.recorded import Panel, Scalars
from oldrestore.records.run_folder import State


@dataclass(frozen=True)
class RunInfo:
    """What is known about a run before its first iteration."""

    folder: Path  # absolute
    outputs: Path  # root of run folders, absolute
    run_id: str
    experiment: str
    config: dict[str, Any]  # resolved, nested
    config_yaml: str  # the same as the text of config.yaml
    overrides: list[str] = field(default_factory=list)  # as typed
    provenance: dict[str, Any] = field(default_factory=dict)  # of provenance.json; sinks read `commit` and `dirty`
    data: dict[str, dict[str, Any]] = field(default_factory=dict)  # split name to what `Split.describe` returns
    seed: int | None = None
    choices: dict[str, str] = field(default_factory=dict)  # of each group: {"loss": "focal"}
    over: bool = False  # the run has ended, and its folder is sent afterwards

    @property
    def design(self) -> str:
        """Name of the run's design."""
        return name_of_run(self.config, self.choices, self.overrides)

    @property
    def name(self) -> str:
        """Name of the run among others: its design and seed."""
        return ", ".join(filter(None, (self.design, "" if self.seed is None else f"seed={self.seed}"))) or self.run_id


@dataclass(frozen=True)
class ModelPackage:
    """A trained model as files that a fresh process can load."""

    python_file: Path  # defines an MLflow PythonModel and ends with mlflow.models.set_model
    artifacts: dict[str, Path]  # files that it needs, by name (weights, configuration)
    pip_requirements: list[str] = field(default_factory=lambda: ["oldrestore"])  # stated, never inferred


@dataclass(frozen=True)
class End:
    """How a run ended."""

    state: State
    reason: str | None = None
    summary: dict[str, float] = field(default_factory=dict)  # the last value of each figure
    model: ModelPackage | None = None


class Sink(Protocol):
    """Receives a run folder. `start` is called first, `finish` last; any call may raise anything."""

    link: dict[str, Any]  # where its record is; kept in status.json
    sent: Counter[str]  # what was sent to the tracker, and how many of each: `oldrestore sync` prints it
    gather_seconds: ClassVar[float]  # between two looks at a folder that grows: one call may cost as much as hundreds

    def start(self, run: RunInfo) -> None:
        """Begin the record of the run, or find it."""

    def scalars(self, lines: Sequence[Scalars]) -> None:
        """Take lines of scalars, of one iteration each."""

    def accuracy(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take rows of the accuracy table (`oldrestore.records.run_folder.ACCURACY_COLUMNS`)."""

    def panel(self, panel: Panel) -> None:
        """Take a picture of a series."""

    def text(self, name: str, content: str) -> None:
        """Take a note in Markdown."""

    def model(self, package: ModelPackage) -> None:
        """Take the trained model."""

    def finish(self, state: State, reason: str | None, summary: Mapping[str, float]) -> None:
        """End the record: the files of the run folder are complete."""

    def give_up(self) -> None:
        """Tidy up after another call has raised; nothing follows."""
