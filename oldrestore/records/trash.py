"""The trash of an outputs folder, ``outputs/.trash/EXPERIMENT/RUN_ID``: deleted runs, whole, to be restored."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.files import lock
from oldrestore.records.liveness import lock_run
from oldrestore.records.run import Run

TRASH = ".trash"
SILENCE = 86_400.0  # seconds without a change, after which a run of another machine counts as gone
_TEMPORARY = re.compile(r"\..+\.\d+\.[0-9a-f]{6}\.tmp")  # `files.neighbour_of`


def refuse_running(run: Run) -> None:
    """Raise `UserError` if a run goes on, or may, on another machine."""
    status = run.status
    quiet = time.time() - max(path.stat().st_mtime for path in run.folder.iterdir())
    if status["alive"] or (status["alive"] is None and quiet < SILENCE):
        raise UserError(f"run '{run.folder.name}' is {run.state}: stop it first")


def move_to_trash(folder: Path) -> Path:
    """Move a run folder to the trash of its outputs folder, and return where it is; `UserError` if it goes on."""
    refuse_running(Run(folder))
    target = folder.parent.parent / TRASH / folder.parent.name / folder.name
    with lock_run(folder), lock(folder.parent):
        return _move(folder, target)


def move_back(folder: Path) -> Path:
    """Move a run folder of the trash back to where it was; `UserError` if another is there."""
    target = folder.parent.parent.parent / folder.parent.name / folder.name
    return _move(folder, target)


def _move(folder: Path, target: Path) -> Path:
    if target.exists():
        raise UserError(f"'{target}' exists already: move it away first")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    return target


def runs_in_trash(outputs: Path) -> list[Path]:
    """Return the folders of deleted runs."""
    return sorted(path for path in outputs.glob(f"{TRASH}/*/*") if path.is_dir())


def leftovers(outputs: Path) -> list[Path]:
    """Return temporary files and folders of processes that were killed, unchanged for a day."""
    found = []
    for place, folders, files in os.walk(outputs):
        for name in (*folders, *files):
            path = Path(place) / name
            if _TEMPORARY.fullmatch(name) and time.time() - path.lstat().st_mtime > SILENCE:
                found.append(path)
        folders[:] = [name for name in folders if name not in (TRASH, "mlartifacts") and not _TEMPORARY.fullmatch(name)]
    return sorted(found)


def remove(path: Path) -> None:
    """Remove a file or a folder for good, and the experiment's folder in the trash if it was the last there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    if path.parent.parent.name == TRASH and not any(path.parent.iterdir()):
        path.parent.rmdir()


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; links count as themselves."""
    return sum(file.lstat().st_size for file in _files(path))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir() or path.is_symlink():
        yield from [path] if path.is_symlink() or path.exists() else []
        return
    for place, _, files in os.walk(path):
        yield from (Path(place) / name for name in files)
