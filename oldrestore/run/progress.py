"""How far a run has come: nothing for one that begins, what its checkpoint says for one that goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import Checkpoint


@dataclass
class Progress:
    """What training needs to go on besides weights, optimizer and data.

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


def beginning(monitor_mode: str) -> Progress:
    """Return the progress of a run that begins."""
    return Progress(best=math.inf if monitor_mode == "min" else -math.inf)


def check_state(state: Mapping[str, Any], path: Path) -> None:
    """Refuse the state of a checkpoint that no run has written.

    Raises
    ------
    UserError
        Naming what is not as a run writes it.
    """
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


def evaluates_again(state: Mapping[str, Any], max_iterations: int) -> bool:
    """Say whether the validation of a checkpoint's iteration is carried out when a run goes on from it.

    It is where it had not come yet. After the last iteration it is in any case: the run was stopped between its last
    validation and its end, which needs that validation's table.
    """
    return bool(state.get("evaluation_due", False)) or state["iteration"] == max_iterations


def after(checkpoint: Checkpoint, folder: Path, log_every: int, max_iterations: int) -> Progress:
    """Read the progress of a run from its last checkpoint and its metrics, cut back to that checkpoint."""
    state = checkpoint.state
    iteration = int(state["iteration"])
    loss = Run(folder).curves.get("train/loss")
    line = iteration - iteration % log_every
    window = [] if loss is None else [float(v) for i, v in zip(loss.iterations, loss.values, strict=True) if i >= line]
    return Progress(
        best=float(state["best"]),
        iteration=iteration,
        evaluate_first=evaluates_again(state, max_iterations),
        window=window,
        summary={name: float(value) for name, value in state.get("summary", {}).items()},
        seconds=float(state.get("seconds", 0.0)),
    )
