"""Deletes and restores runs: the folder moves to the trash and back; trackers and the ledgers of sweeps follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.records.parsing import read_table
from oldrestore.records.run import Run
from oldrestore.records.trash import (
    leftovers,
    move_back,
    move_to_trash,
    refuse_running,
    remove,
    runs_in_trash,
    size_of,
)
from oldrestore.sweeps.ledger import Ledger
from oldrestore.tables import csv_table
from oldrestore.tracking.mlflow_lifecycle import kept_artifacts, link_of, remove_for_good, tell_deleted
from oldrestore.tracking.visualdl_sink import hide


@dataclass(frozen=True)
class Deletion:
    """A run that is to go, or went."""

    run: Run
    size: int  # bytes of its folder
    evaluations: int
    sweeps: list[str]  # that it is a job of
    is_in_mlflow: bool

    def in_words(self) -> str:
        """Say what goes with it."""
        parts = [f"{self.evaluations} evaluation{'s' * (self.evaluations > 1)}"] if self.evaluations else []
        parts += ["in MLflow"] if self.is_in_mlflow else []
        parts += [f"job of the sweep {name}" for name in self.sweeps]
        parts += [f"tagged {', '.join(self.run.notes.tags)}"] if self.run.notes.tags else []
        return "; ".join(parts)


def look_at(folder: Path) -> Deletion:
    """Return what would go with a run; `UserError` if it must not go, for it goes on."""
    run = Run(folder)
    if run.is_evaluation:
        raise UserError(f"'{folder}' is an evaluation: only whole runs are deleted")
    refuse_running(run)
    outputs = folder.parent.parent
    sweeps = [ledger.path.parent.name for ledger, entry in _jobs(outputs, folder.name)]
    return Deletion(run, size_of(folder), len(run.evaluations), sweeps, bool(link_of(folder)))


def delete_run(folder: Path) -> list[str]:
    """Move a run to the trash; returns sentences on what could not follow."""
    outputs = folder.parent.parent
    moved = move_to_trash(folder)
    hide(moved)
    _tell_ledgers(outputs, folder.name)
    reason = tell_deleted(moved, outputs, is_deleted=True)
    return [f"mlflow could not be told that {folder.name} is deleted ({reason})"] if reason else []


def restore_run(folder: Path) -> tuple[Path, list[str]]:
    """Move a run back from the trash; returns its folder, and sentences on what could not follow."""
    restored = move_back(folder)
    hide(restored, hidden=False)
    outputs = restored.parent.parent
    _tell_ledgers(outputs, restored.name)
    reason = tell_deleted(restored, outputs, is_deleted=False)
    return restored, [f"mlflow could not be told that {folder.name} is restored ({reason})"] if reason else []


@dataclass(frozen=True)
class Garbage:
    """What can be removed for good."""

    runs: list[Path]  # in the trash
    artifacts: list[Path]  # of these runs, in the embedded MLflow store
    leftovers: list[Path]  # temporary files of processes that were killed

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return number and bytes of each kind."""
        parts = {"trash": self.runs, "mlflow": self.artifacts, "leftovers": self.leftovers}
        return {name: (len(paths), sum(map(size_of, paths))) for name, paths in parts.items()}


def garbage(outputs: Path) -> Garbage:
    """Find what is dead in an outputs folder."""
    runs = runs_in_trash(outputs)
    artifacts = [path for run in runs for path in kept_artifacts(run, outputs)]
    return Garbage(runs, artifacts, leftovers(outputs))


def empty(found: Garbage, outputs: Path) -> list[str]:
    """Remove garbage for good; returns sentences on what stays."""
    reason = remove_for_good(found.runs, outputs)
    for path in (*found.runs, *found.leftovers):
        remove(path)
    return [f"mlflow keeps these runs as deleted ({reason})"] if reason else []


def _jobs(outputs: Path, run_id: str) -> Iterator[tuple[Ledger, str]]:
    for path in sorted(outputs.glob("sweeps/*/ledger.db")):
        ledger = Ledger(path)
        yield from ((ledger, entry.key) for entry in ledger.entries() if entry.run_id == run_id)


def _tell_ledgers(outputs: Path, run_id: str) -> None:
    for ledger in {ledger.path: ledger for ledger, _ in _jobs(outputs, run_id)}.values():
        ledger.follow_run(run_id)
        states = {entry.run_id: {"state": entry.state, "reason": entry.reason or ""} for entry in ledger.entries()}
        table = ledger.path.with_name("jobs.csv")
        rows = read_table(table, {}, str)
        if rows:
            changed = [row | (states.get(run_id, {}) if row.get("run_id") == run_id else {}) for row in rows]
            write_atomically(table, csv_table(changed))
