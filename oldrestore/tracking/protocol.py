"""What a sink is: the calls that it takes, and what it is told of a run.

A new tracker is a class with the calls of `Sink` in ``oldrestore/tracking/`` and its settings in
``conf/tracking/NAME.yaml``. `oldrestore.tracking.follower` reads the run folder for it: in a thread of the run, when a
run is resumed, and in ``oldrestore sync``. Each time that is everything from the beginning, so a sink asks its tracker
in `start` what it holds, and leaves that out or writes it anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from oldrestore.records.recorded import Panel, Scalars
from oldrestore.records.run_folder import State


@dataclass(frozen=True)
class RunInfo:
    """What is known about a run before its first iteration.

    Attributes
    ----------
    folder, outputs : Path
        The run folder and the root of run folders, absolute.
    run_id, experiment : str
        As in the run folder's path.
    config : dict
        The resolved configuration, nested.
    config_yaml : str
        The same as text, which is what ``config.yaml`` holds.
    overrides : list of str
        What the user typed.
    provenance : dict
        ``provenance.json``; sinks read `commit` and `dirty`.
    data : dict
        Split name to what `Split.describe` says: `source`, `split`, `count`, `fingerprint`.
    seed : int
        The run's seed.
    choices : dict
        Group to the name that was chosen of it: ``{"loss": "focal"}``.
    over : bool
        Whether the run has ended, and its folder is sent on afterwards.
    """

    folder: Path
    outputs: Path
    run_id: str
    experiment: str
    config: dict[str, Any]
    config_yaml: str
    overrides: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    seed: int | None = None
    choices: dict[str, str] = field(default_factory=dict)
    over: bool = False


@dataclass(frozen=True)
class ModelPackage:
    """A trained model as files that a fresh process can load.

    Attributes
    ----------
    python_file : Path
        A Python file that defines an MLflow ``PythonModel`` and ends with ``mlflow.models.set_model``.
    artifacts : dict
        Name to the path of a file it needs (weights, configuration).
    pip_requirements : list of str
        What must be installed to load it; stated, never inferred.
    input_example : array, optional
        An example of the input, kept beside the model.
    metadata : dict
        Anything worth keeping with it.
    """

    python_file: Path
    artifacts: dict[str, Path]
    pip_requirements: list[str] = field(default_factory=lambda: ["oldrestore"])
    input_example: np.ndarray | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """How a run ended.

    Attributes
    ----------
    state : str
        ``finished``, ``failed`` or ``killed``.
    reason : str or None
    summary : dict
        The last value of each figure.
    model : ModelPackage, optional
        The trained model.
    """

    state: State
    reason: str | None = None
    summary: dict[str, float] = field(default_factory=dict)
    model: ModelPackage | None = None


class Sink(Protocol):
    """Takes what stands in a run folder. `start` comes first, `finish` last; any call may raise whatever it likes.

    Attributes
    ----------
    link : dict
        Where its record is; kept in ``status.json``.
    sent : Counter
        How many of what went to the tracker: ``oldrestore sync`` prints it.
    gather_seconds : float
        How long a running run's folder is left to grow between two looks: one call may cost as much as hundreds.
    """

    link: dict[str, Any]
    sent: Counter[str]
    gather_seconds: ClassVar[float]

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
        """End the record; whatever file of the run folder is kept whole is complete now."""

    def give_up(self) -> None:
        """Tidy up once another call has raised; nothing follows."""
