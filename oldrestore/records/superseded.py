"""Removes from a run folder what a resumed run trains again, so that its files read as of one uninterrupted run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.files import whole_lines, write_atomically
from oldrestore.records.recorded import panel_iteration
from oldrestore.records.run import Run

RECORDS = ("metrics.jsonl", "accuracy.csv", "per_image.csv")


def new_resume_folder(folder: Path) -> Path:
    """Create the next ``resumes/NNN`` of a run folder."""
    numbers = [int(path.name) for path in (folder / "resumes").glob("*") if path.name.isdigit()]
    new = folder / "resumes" / f"{max(numbers, default=0) + 1:03d}"
    new.mkdir(parents=True)
    return new


def set_aside(folder: Path, marks: Mapping[str, int] | None, iteration: int, aside: Path, again: bool) -> None:
    """Cut the files of records back to a checkpoint, and keep what is cut off in another folder.

    It is on disk there before anything is cut, so that a kill at any moment loses no row.

    Parameters
    ----------
    folder : Path
        The run folder, locked.
    marks : mapping of str to int, or None
        `RunFolder.marks` when the checkpoint was written; None finds the place by the iterations in the rows.
    iteration : int
        Updates that the checkpoint has.
    aside : Path
        Where the rows go, in files of the same names.
    again : bool
        Whether the validation of this very iteration is carried out again: its pictures go, too.
    """
    cuts: dict[str, int] = {}
    for name in RECORDS:
        path = folder / name
        length = path.stat().st_size if path.exists() else 0
        mark = marks.get(name, 0) if marks is not None else _mark_by_iteration(path, iteration, again)
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


def _mark_by_iteration(path: Path, iteration: int, again: bool) -> int:
    """Return the bytes before the first row that comes after a checkpoint."""
    mark = 0
    for number, line in enumerate(whole_lines(path)):
        if path.suffix == ".jsonl":
            record = json.loads(line)
            here = record["iteration"] == iteration
            validation = "train/avg_loss" not in record["values"]
            later = record["iteration"] > iteration or (
                here and ("train/loss" in record["values"] or (again and validation))
            )
        else:
            trained = int(line.partition(",")[0]) if number else -1
            later = trained > iteration or (again and trained == iteration)
        if later:
            break
        mark += len(line.encode()) + 1
    return mark


def _remove_half_written(folder: Path) -> None:
    """Remove the temporary files of a process that died between writing and renaming."""
    for place in (folder, folder / "checkpoints", folder / "samples", folder / "texts"):
        for path in place.glob(".*.tmp"):
            path.unlink(missing_ok=True)
