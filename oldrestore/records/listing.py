"""Lists runs by what their folders say, filtered by conditions and sorted; imports no Paddle, so that it is fast.

Conditions are typed as ``loss.name=focal``, ``val/auc>0.8``, ``state!=failed``.
"""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.records.bundle import name_in_bundle, open_bundle
from oldrestore.records.named_values import ACCURACIES
from oldrestore.records.notes import FILE, Notes
from oldrestore.records.run import Run

# What a list shows of each run.
SHOWN = ("run_id", "experiment", "design", "state", "kind", "started", *ACCURACIES)
_WRITTEN = re.compile(r"(?P<name>[^=!<>]+?)\s*(?P<sign><=|>=|!=|==|=|<|>)\s*(?P<value>.*)")
_COMPARED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_WORDS = {"null": None, "none": None, "true": True, "false": False}


@dataclass(frozen=True)
class Condition:
    """One comparison of a named value (`oldrestore.records.run.Run.all_of`) with a constant.

    The sign is ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``; in a word, ``*`` stands for anything.
    """

    name: str
    sign: str
    value: Any

    def holds(self, run: Run) -> bool:
        """Say whether it holds for a run; an order never holds for a value that is missing or of another kind."""
        if self.sign in ("=", "!="):
            equal = any(_equal(value, self.value) for value in run.all_of(self.name))
            return equal if self.sign == "=" else not equal
        value = run.get(self.name)
        # Words are ordered too, for times: they are written so that they sort as text.
        comparable = (_is_number(value) and _is_number(self.value)) or (
            isinstance(value, str) and isinstance(self.value, str)
        )
        return comparable and _COMPARED[self.sign](value, self.value)


def read_condition(text: str) -> Condition:
    """Read a condition as it is typed; `UserError` if it is none."""
    parts = _WRITTEN.fullmatch(text.strip())
    if not parts:
        raise UserError(f"--where '{text}' is not understood: write NAME=VALUE, or !=, <, <=, >, >= for the sign")
    return Condition(parts["name"].strip(), parts["sign"].replace("==", "="), _read_value(parts["value"].strip()))


def _read_value(text: str) -> Any:
    """Read a constant: a number, true, false, null, or the word itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text.strip("'\"")


def list_runs(
    outputs: Path,
    where: Sequence[Condition] = (),
    sort: str | None = None,
    descending: bool = False,
    limit: int | None = None,
    archived: bool = True,
) -> list[Run]:
    """Return the runs under an outputs folder, or of a bundle, for which every condition holds, by default the oldest
    first.

    Sorted by a named value, numbers come before words, and runs without the value or with NaN come last, also in
    descending order. Without `archived`, those that are archived are left out. A limit keeps the first runs of what is
    sorted; of the default order, it keeps the newest.
    """
    if outputs.is_file():
        outputs = open_bundle(outputs)
    runs = [Run(path.parent) for path in outputs.glob("*/*/status.json")]
    if not archived:
        runs = [run for run in runs if not _notes_of(run).archived]
    runs = [run for run in runs if all(condition.holds(run) for condition in where)]
    runs.sort(key=lambda run: (str(run.get("started") or ""), run.folder.name))
    if sort is not None:
        keys = {run: _order_key(run.get(sort)) for run in runs}
        with_key = sorted((run for run in runs if keys[run] is not None), key=keys.get, reverse=descending)
        runs = with_key + [run for run in runs if keys[run] is None]
    elif descending:
        runs.reverse()
    if limit is not None:
        from_the_end = sort is None and not descending
        runs = runs[max(0, len(runs) - limit) :] if from_the_end else runs[:limit]
    return runs


def count_archived(outputs: Path) -> int:
    """Return the number of archived runs under an outputs folder."""
    return sum(_notes_of(Run(path.parent)).archived for path in outputs.glob(f"*/*/{FILE}"))


def _notes_of(run: Run) -> Notes:
    try:
        return run.notes
    except UserError:
        return Notes()


def summary_of(run: Run, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a list shows of a run, and further values by name; None for what cannot be read."""
    shown = {name: run.get(name) for name in SHOWN}
    state, note = run.all_of("state")[-1], run.all_of("kind")[-1]  # in words
    values = {name: run.get(name) for name in names}
    folder = name_in_bundle(run.folder) or str(run.folder)
    notes = _notes_of(run)
    written = {"tags": list(notes.tags), "written": notes.note, "archived": notes.archived}
    return {**shown, "state": state, "note": note, **written, "folder": folder, "values": values}


def _order_key(value: Any) -> tuple[int, float, str] | None:
    """Return a sort key: numbers by size before words by letters; None for a missing value and for NaN."""
    if _is_number(value):
        return None if math.isnan(value) else (0, float(value), "")
    return None if value is None else (1, 0.0, str(value))


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return value is not None and fnmatchcase(str(value).lower(), wanted.lower())
    if isinstance(wanted, bool) or isinstance(value, bool) or wanted is None or value is None:
        return value is wanted
    if _is_number(wanted) and _is_number(value):
        return float(value) == float(wanted)
    return str(value) == str(wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
