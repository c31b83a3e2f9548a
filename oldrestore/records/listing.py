"""Lists runs by what their folders say, filtered and sorted; imports no Paddle and no tracker, so that it is fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oldrestore.records.conditions import Condition, order_key
from oldrestore.records.named_values import ACCURACIES
from oldrestore.records.run import Run

# What a list shows of each run.
SHOWN = ("run_id", "experiment", "state", "started", *ACCURACIES)


def list_runs(
    outputs: Path,
    where: Sequence[Condition] = (),
    sort: str | None = None,
    descending: bool = False,
    limit: int | None = None,
) -> list[Run]:
    """Return the runs under an outputs folder for which every condition holds, by default the oldest first.

    Parameters
    ----------
    sort : str, optional
        A setting, a measure, ``state``, ``started`` ...: numbers before words, and runs without it, or with NaN, last.
    descending : bool
        Reverse the order; runs without the value stay last.
    limit : int, optional
        The first so many of what is sorted; of the default order, the newest so many.
    """
    runs = [Run(path.parent) for path in outputs.glob("*/*/status.json")]
    runs = [run for run in runs if all(condition.holds(run) for condition in where)]
    runs.sort(key=lambda run: (str(run.get("started") or ""), run.folder.name))
    if sort is not None:
        keys = {run: order_key(run.get(sort)) for run in runs}
        with_key = sorted((run for run in runs if keys[run] is not None), key=keys.get, reverse=descending)
        runs = with_key + [run for run in runs if keys[run] is None]
    elif descending:
        runs.reverse()
    if limit is not None:
        from_the_end = sort is None and not descending
        runs = runs[max(0, len(runs) - limit) :] if from_the_end else runs[:limit]
    return runs


def summary_of(run: Run, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a list shows of a run, and further values by name; None for what cannot be read."""
    shown = {name: run.get(name) for name in SHOWN}
    state = run.all_of("state")[-1]  # in words
    return {**shown, "state": state, "folder": str(run.folder), "values": {name: run.get(name) for name in names}}
