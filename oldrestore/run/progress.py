"""How far a run has come, and the way back to its last checkpoint: learner, run folder and progress as they were."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.records.run import Run
from oldrestore.records.superseded import new_resume_folder, set_aside
from oldrestore.run.resuming import Resumption
from oldrestore.run.then_and_now import check_data, compare_provenance
from oldrestore.training.checkpoint import Checkpoint, load_checkpoint
from oldrestore.training.learner import Learner

SHOWN = 6  # differences that are printed; all of them are recorded


@dataclass
class Progress:
    """What training needs to continue besides weights, optimizer and data.

    Attributes
    ----------
    best : float
        The monitored value of the best weights so far.
    iteration : int
        Updates made.
    evaluate_first : bool
        Whether the validation of `iteration` is still to come.
    window : list of float
        Losses since the last log line.
    summary : dict of float
        The last value of each evaluated measure.
    seconds : float
        Of training so far.
    """

    best: float
    iteration: int = 0
    evaluate_first: bool = False
    window: list[float] = field(default_factory=list)
    summary: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class BackAtCheckpoint:
    """A run as it was at its last checkpoint.

    Attributes
    ----------
    progress : Progress
    provenance : dict
        Of the run's beginning.
    differences : dict
        What has changed since: name to [then, now].
    """

    progress: Progress
    provenance: dict[str, Any]
    differences: dict[str, list]

    def in_words(self) -> str:
        """Return the differences and what they mean as a line."""
        parts = [f"{name} {_short(then)} -> {_short(now)}" for name, (then, now) in self.differences.items()]
        more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
        return f"note: not as when the run began: {', '.join(parts[:SHOWN])}{more}; the numbers may differ for it"


def beginning(monitor_mode: str) -> Progress:
    """Return the progress of a run that begins."""
    return Progress(best=math.inf if monitor_mode == "min" else -math.inf)


def go_back_to_checkpoint(
    resumption: Resumption, learner: Learner, data: Mapping[str, Any], provenance: Mapping[str, Any]
) -> BackAtCheckpoint:
    """Restore the learner from the last checkpoint, and the run folder to its state at that time.

    A run without a checkpoint begins again.

    Parameters
    ----------
    resumption : Resumption
    learner : Learner
        Newly built.
    data, provenance : mapping
        As they are now.

    Raises
    ------
    UserError
        Before anything is changed: other photographs, or a checkpoint that cannot be read.
    """
    folder, trainer = resumption.folder, resumption.config.trainer
    check_data(folder, data)
    try:
        recorded = Run(folder).provenance
    except UserError:
        recorded = dict(provenance)  # killed before it was written
    checkpoint = restore_last(folder, learner)
    iteration, again, marks = 0, False, {}
    if checkpoint is not None:
        iteration = int(checkpoint.state["iteration"])
        again = _evaluates_again(checkpoint.state, trainer.max_iterations)
        marks = checkpoint.state.get("marks_before_evaluation" if again else "marks")
    aside = new_resume_folder(folder)
    differences = compare_provenance(recorded, provenance)
    record = {
        "iteration": iteration,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "overrides": resumption.overrides,
        "changed": resumption.changed,
        "differences": differences,
    }
    _write_json(aside / "resume.json", record)
    if differences:
        _write_json(aside / "provenance.json", provenance)
    set_aside(folder, marks, iteration, aside, again)
    if checkpoint is not None:
        progress = _progress_at(checkpoint, folder, trainer.log_every, again)
    else:
        progress = beginning(trainer.monitor_mode)
        for path in (folder / "checkpoints").glob("*.safetensors"):
            path.unlink()  # the best of a beginning that is trained again
    return BackAtCheckpoint(progress, recorded, differences)


def restore_last(folder: Path, learner: Learner) -> Checkpoint | None:
    """Restore a learner from a run's last checkpoint and return it; None if there is none."""
    last = folder / "checkpoints" / "last.safetensors"
    if not last.is_file():
        return None
    checkpoint = load_checkpoint(last)
    check_state(checkpoint.state, last)
    learner.restore(checkpoint)
    return checkpoint


def check_state(state: Mapping[str, Any], path: Path) -> None:
    """Raise `UserError` if the state of a checkpoint is not as a run writes it, naming the entry."""
    wanted: tuple[tuple[str, Any], ...] = (
        ("iteration", _is_count),
        ("best", _is_number),
        ("marks", _are_counts),
        ("marks_before_evaluation", _are_counts),
        ("summary", lambda value: isinstance(value, Mapping) and all(map(_is_number, value.values()))),
        ("seconds", _is_number),
    )
    for name, is_right in wanted:
        if not is_right(state[name]) if name in state else name in ("iteration", "best"):
            raise UserError(f"'{path}' has a state that no run writes ('{name}'): take another checkpoint")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_count(abs(value) if isinstance(value, int) else value)


def _are_counts(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping) and all(map(_is_count, value.values())))


def _evaluates_again(state: Mapping[str, Any], max_iterations: int) -> bool:
    """Say whether a run resumed from a checkpoint begins with a validation.

    It does if that was still to come. After the last iteration it does in any case: the run was stopped between its
    last validation and its end, which needs that validation's table.
    """
    return bool(state.get("evaluation_due", False)) or state["iteration"] == max_iterations


def _progress_at(checkpoint: Checkpoint, folder: Path, log_every: int, evaluate_first: bool) -> Progress:
    """Read the progress at a checkpoint, to which the metrics are already cut back."""
    state = checkpoint.state
    iteration = int(state["iteration"])
    loss = Run(folder).curves.get("train/loss")
    line = iteration - iteration % log_every
    window = [] if loss is None else [float(v) for i, v in zip(loss.iterations, loss.values, strict=True) if i >= line]
    return Progress(
        best=float(state["best"]),
        iteration=iteration,
        evaluate_first=evaluate_first,
        window=window,
        summary={name: float(value) for name, value in state.get("summary", {}).items()},
        seconds=float(state.get("seconds", 0.0)),
    )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
