"""What a tracker is: the calls that it takes, and what it is told of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from oldrestore.records.run_folder import State
from oldrestore.records.superseded import Continued


@dataclass(frozen=True)
class RunInfo:
    """What is known about a run before its first iteration. Plain values only: it is copied between threads.

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
    tags : dict
        More names and values for a sink to label the run with.
    choices : dict
        Group to the name that was chosen of it: ``{"loss": "focal"}``.
    continued : Continued, optional
        What the run folder held when a run went on in it; None for a run that begins. A sink brings its own record to
        that state in `start`: it may lack some of it, or hold steps beyond it that are taken again.
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
    tags: dict[str, str] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    continued: Continued | None = None


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


class Tracker(Protocol):
    """Takes what a run emits. `start` comes first, `finish` last; every other call lies between.

    The training loop holds one `Trackers`. Sinks follow the same protocol and may raise whatever they like.
    Three things are optional in a sink: an attribute ``link``, a plain dict that says where its record is (it
    is kept in ``status.json``); a method ``give_up()``, called once after the sink raised; and a method
    ``gathered(entries)`` with an attribute ``gather_seconds``, for a sink to which each call is dear: it takes the
    scalars of many iterations at once, as a list of (seconds since the epoch, iteration, values), and `scalars` is then
    not called. Any other call sends what was gathered before it.
    """

    def start(self, run: RunInfo) -> None:
        """Begin (or go on with) the run."""

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Take named scalars of one iteration."""

    def accuracy(self, rows: Sequence[Mapping[str, Any]], trained_iterations: int) -> None:
        """Take an accuracy table: `RunFolder.accuracy`."""

    def per_image(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take scores of single images: `RunFolder.per_image`."""

    def panel(self, name: str, iteration: int, rgb: np.ndarray, caption: str = "") -> None:
        """Take a picture, uint8 (H, W, 3) sRGB, of the series `name`."""

    def text(self, name: str, content: str) -> None:
        """Take a note in Markdown."""

    def model(self, package: ModelPackage) -> None:
        """Take the trained model."""

    def finish(self, state: State, reason: str | None, summary: Mapping[str, float]) -> None:
        """End the run as ``finished``, ``failed`` or ``killed`` with its summary figures."""
