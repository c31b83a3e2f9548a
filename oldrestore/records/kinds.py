"""Runs that are no equals of those they stand among: reproductions, diagnostics, killed, failed, extended, archived."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oldrestore.records.liveness import state_in_words
from oldrestore.records.notes import read_notes
from oldrestore.records.parsing import read_json

# What runs are that serve to find a fault or a setting (the entry `diagnostic` of their status), by kind.
DIAGNOSTICS = {"range_test": "is a learning-rate range test", "overfit": "trains on a few batches again and again"}
KINDS = ("reproduction", *DIAGNOSTICS, "killed", "failed", "extended", "archived")


class Kind(NamedTuple):
    """Why a run is no equal of others: one of `KINDS`, and the rest of a sentence that begins with the run's id."""

    name: str
    words: str


def kind_of(folder: Path, status: Mapping[str, Any]) -> Kind | None:
    """Return why a run is no equal of others, by its folder and its status with `alive`; None if it is one."""
    again = status.get("reproduction")
    if isinstance(again, Mapping):
        first = f", of its first {again['until']} iterations" if again.get("until") else ""
        return Kind("reproduction", f"is a reproduction of {again.get('of')}{first}")
    diagnostic = status.get("diagnostic")
    if isinstance(diagnostic, str) and diagnostic in DIAGNOSTICS:
        return Kind(diagnostic, DIAGNOSTICS[diagnostic])
    state = state_in_words(status)
    if state in ("killed", "running (process gone)"):
        return Kind("killed", f"is {state}")
    if state == "failed":
        return Kind("failed", f"failed ({status.get('reason') or 'no reason is recorded'})")
    if ends := earlier_ends(folder):
        return Kind("extended", f"was extended from {min(ends)} iterations")
    return Kind("archived", "is archived") if read_notes(folder).archived else None


def earlier_ends(folder: Path) -> set[int]:
    """Return the values that a resumed run's ``trainer.max_iterations`` had before."""
    ends = set()
    for path in folder.glob("resumes/*/resume.json"):
        changed = read_json(path).get("changed")
        raised = changed.get("trainer.max_iterations") if isinstance(changed, Mapping) else None
        if isinstance(raised, list) and raised and isinstance(raised[0], int):
            ends.add(raised[0])
    return ends
