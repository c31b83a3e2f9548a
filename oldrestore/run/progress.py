"""How far a run has come, and the way back to its last checkpoint: learner, run folder and progress as they were."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.records.recorded import panel_iteration
from oldrestore.records.run import Run
from oldrestore.run.resuming import Resumption, check_data, compare_provenance
from oldrestore.training.checkpoint import Checkpoint, load_checkpoint
from oldrestore.training.learner import Learner

RECORDS = ("metrics.jsonl", "accuracy.csv", "per_image.csv")
SHOWN = 6  # differences that are printed; all of them are recorded
REQUIRED = ("iteration", "best", "marks", "marks_before_evaluation")


@dataclass
class Progress:
    """What training needs to continue besides weights, optimizer and data."""

    best: float  # the monitored value of the best weights so far
    iteration: int = 0  # updates made
    evaluate_first: bool = False  # whether the validation of `iteration` is still to come
    window: list[float] = field(default_factory=list)  # losses since the last log line
    summary: dict[str, float] = field(default_factory=dict)  # the last value of each measure
    seconds: float = 0.0  # of training so far


def beginning(monitor_mode: str) -> Progress:
    """Return the progress of a run that begins."""
    return Progress(best=math.inf if monitor_mode == "min" else -math.inf)


def go_back_to_checkpoint(
    resumption: Resumption, learner: Learner, data: Mapping[str, Any], provenance: Mapping[str, Any]
) -> tuple[Progress, dict[str, Any], str | None]:
    """Restore a new learner from the last checkpoint, and the run folder to its state at that time.

    A run without a checkpoint begins again. `data` and `provenance` are those of now; `UserError` comes before anything
    is changed: other photographs, or a checkpoint that cannot be read. Returns the progress, the provenance of the
    run's beginning, and a note on what has changed since.
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
        marks = checkpoint.state["marks_before_evaluation" if again else "marks"]
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
    return progress, recorded, _note_on(differences)


def restore_last(folder: Path, learner: Learner) -> Checkpoint | None:
    """Restore a learner from a run's last checkpoint and return it; None if there is none."""
    last = folder / "checkpoints" / "last.safetensors"
    if not last.is_file():
        return None
    checkpoint = load_checkpoint(last)
    check_state(checkpoint.state, last)
    learner.restore(checkpoint)
    return checkpoint


def new_resume_folder(folder: Path) -> Path:
    """Create the next ``resumes/NNN`` of a run folder."""
    numbers = [int(path.name) for path in (folder / "resumes").glob("*") if path.name.isdigit()]
    new = folder / "resumes" / f"{max(numbers, default=0) + 1:03d}"
    new.mkdir(parents=True)
    return new


def set_aside(folder: Path, marks: Mapping[str, int], iteration: int, aside: Path, again: bool) -> None:
    """Cut the files of records back to a checkpoint, and keep what is cut off in another folder.

    It is on disk there before anything is cut, so that a kill at any moment loses no row. Every file then reads as of
    one uninterrupted run. `marks` are those of `RunFolder.marks` when the checkpoint was written; with `again`, the
    validation of its very iteration is carried out again, so that its pictures go too.
    """
    cuts: dict[str, int] = {}
    for name in RECORDS:
        path = folder / name
        length = path.stat().st_size if path.exists() else 0
        mark = marks.get(name, 0)
        if length < mark:
            raise UserError(
                f"{path} has {length} bytes but had {mark} when the checkpoint was made: put the file back as it was"
            )
        if length > mark:
            cuts[name] = mark
    for name, mark in cuts.items():
        _cut(folder / name, mark, aside / name)
    for name in Run(folder).panels:
        if panel_iteration(name) > iteration or (again and panel_iteration(name) == iteration):
            (aside / "samples").mkdir(exist_ok=True)
            (folder / "samples" / name).replace(aside / "samples" / name)
    _remove_half_written(folder)


def _cut(path: Path, mark: int, aside: Path) -> None:
    with path.open("rb+") as file:
        file.seek(mark)
        write_atomically(aside, file.read())
        file.truncate(mark)
        file.flush()
        os.fsync(file.fileno())


def _remove_half_written(folder: Path) -> None:
    """Remove the temporary files of a process that died between writing and renaming."""
    for place in (folder, folder / "checkpoints", folder / "samples", folder / "texts"):
        for path in place.glob(".*.tmp"):
            path.unlink(missing_ok=True)


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
        if not is_right(state[name]) if name in state else name in REQUIRED:
            raise UserError(f"'{path}' has a state that no run writes ('{name}'): take another checkpoint")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_count(abs(value) if isinstance(value, int) else value)


def _are_counts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_count, value.values()))


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


def _note_on(differences: Mapping[str, list]) -> str | None:
    parts = [f"{name} {_short(then)} -> {_short(now)}" for name, (then, now) in differences.items()]
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    shown = f"{', '.join(parts[:SHOWN])}{more}"
    return f"note: not as when the run began: {shown}; the numbers may differ for it" if parts else None


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
