"""Lists runs from their folders, filtered and sorted by state, settings and measures; imports no Paddle, no tracker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.records.conditions import Condition, order_key
from oldrestore.records.reader import read_accuracy, state_in_words
from oldrestore.records.run_values import RunValues


@dataclass(frozen=True)
class RunSummary:
    """One run as a list shows it."""

    run_id: str
    experiment: str
    state: str
    started: str | None
    iter_accuracy: float | None
    orig_accuracy: float | None
    gray_accuracy: float | None
    n: int | None
    folder: str
    values: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)


def list_runs(
    outputs: Path,
    where: Sequence[Condition] = (),
    sort: str | None = None,
    descending: bool = False,
    limit: int | None = None,
) -> list[RunSummary]:
    """Return the runs under an outputs folder for which every condition holds.

    Parameters
    ----------
    outputs : Path
    where : sequence of Condition
    sort : str, optional
        A setting, a measure, ``state``, ``started`` ...: numbers before words, and runs without it, or with what is
        not a number, last. By default the oldest comes first.
    descending : bool
        Turn the order round; runs without the value stay last.
    limit : int, optional
        The first so many of what is sorted; of the default order, the newest so many.

    Notes
    -----
    Only files of the run folders are read, of each run as few as the question needs. `values` of each result holds what
    was asked for by name.
    """
    runs = [RunValues(path.parent) for path in outputs.glob("*/*/status.json")]
    runs = [run for run in runs if all(condition.holds(run) for condition in where)]
    runs.sort(key=lambda run: (run.status.get("started") or "", run.folder.name))
    if sort is not None:
        keys = {run: order_key(run.get(sort)) for run in runs}
        having = sorted((run for run in runs if keys[run] is not None), key=keys.get, reverse=descending)
        runs = having + [run for run in runs if keys[run] is None]
    elif descending:
        runs.reverse()
    if limit is not None:
        from_the_end = sort is None and not descending
        runs = runs[max(0, len(runs) - limit) :] if from_the_end else runs[:limit]
    names = list(dict.fromkeys([condition.name for condition in where] + ([sort] if sort else [])))
    return [summarise(run, names) for run in runs]


def summarise(run: RunValues, names: Sequence[str] = ()) -> RunSummary:
    """Read what a list shows of one run; what is damaged leaves its fields empty."""
    try:
        rows = read_accuracy(run.folder)
    except (UserError, ValueError, OSError):
        rows = []
    accuracy = rows[-1] if rows else {}
    return RunSummary(
        run_id=run.folder.name,
        experiment=run.folder.parent.name,
        state=state_in_words(run.status) if run.status else "unreadable",
        started=run.status.get("started"),
        iter_accuracy=accuracy.get("iter_accuracy"),
        orig_accuracy=accuracy.get("orig_accuracy"),
        gray_accuracy=accuracy.get("gray_accuracy"),
        n=accuracy.get("n"),
        folder=str(run.folder),
        values={name: run.get(name) for name in names},
    )
