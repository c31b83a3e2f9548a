"""Finds runs and checkpoints by the names that people type."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from oldrestore.config.location import at_home
from oldrestore.errors import UserError, in_words
from oldrestore.records.bundle import SWEEPS, is_bundle, name_in_bundle, open_bundle, split_name
from oldrestore.records.run import Run
from oldrestore.records.trash import runs_in_trash


def find_run(name: str, outputs: Path, otherwise: str = "") -> Path:
    """Find a run folder; `UserError` if none or several match.

    The name is a path, a run id under `outputs`, the beginning of one, ``last`` (the newest), the path of the run's
    last checkpoint, which is the state in which the run ended, or one of these with ``/evaluations/ID``. `otherwise`
    ends the message that refuses another one.
    """
    direct = Path(at_home(name))
    try:
        if name and (direct / "config.yaml").is_file():
            return direct
    except OSError as error:  # a name that is too long, a folder that may not be entered
        reason = in_words(error)
        raise UserError(f"the run '{name}' cannot be looked up ({reason})") from None
    if is_weights_file(name):
        raise UserError(f"'{name}' is a weights file and stands in no run folder: give a run{otherwise}")
    if (bundled := split_name(at_home(name))) is not None and is_bundle(bundled[0]):
        raise UserError(
            f"'{bundled[0]}' is no run folder: of a bundle, runs are compared, reported and reproduced; for anything "
            f"else unpack it (oldrestore bundle --unpack {bundled[0]} -o FOLDER)"
        )
    meant = checkpoint_in_run(direct)
    if meant is not None:
        folder, which = meant
        if which in (None, "last"):
            return folder
        raise UserError(f"'{name}' is one checkpoint, and this takes a whole run: give {folder}{otherwise}")
    run, of_run, evaluation = name.rstrip("/").rpartition("/evaluations/")
    if of_run and run and evaluation:
        return _evaluation_of(find_run(run, outputs), evaluation)
    if not name:
        raise UserError("the name of the run is empty: give a run folder or a run id of `oldrestore runs`")
    none = f"there is no run '{name}': give a run folder or a run id of `oldrestore runs`"
    return _run_below(outputs, name, f"there is no weights file '{name}'" if direct.suffix == ".safetensors" else none)


def find_runs(name: str, outputs: Path, otherwise: str = "") -> list[Path]:
    """Return the run folders to read that a name stands for.

    ``FILE`` stands for every run of a bundle, those of its sweeps first; ``FILE#RUN`` for one, as below an outputs
    folder; the folder of a sweep for the jobs that are done; any other name for one run, as in `find_run`.
    """
    bundled = split_name(at_home(name)) if name else None
    if bundled is None:
        return (runs_of_sweep(Path(at_home(name))) if name else None) or [find_run(name, outputs, otherwise)]
    file, run = bundled
    root = open_bundle(file)
    if run:
        run, _, evaluation = run.partition("/evaluations/")
        found = _run_below(root, run.rpartition("/")[2], f"the bundle '{file}' has no run '{run}'")
        return [_evaluation_of(found, evaluation) if evaluation else found]
    of_sweeps = [run for table in sorted(root.glob(f"{SWEEPS}/*/jobs.csv")) for run in runs_of_sweep(table.parent)]
    every = [path.parent for path in sorted(root.glob("*/*/config.yaml"))]
    if not every:
        raise UserError(f"the bundle '{file}' holds no run")
    return list(dict.fromkeys([*(run for run in of_sweeps if run in every), *every]))


def find_run_to_read(name: str, outputs: Path) -> Path:
    """Return the one run that a name of `find_runs` stands for; `UserError` if it stands for several."""
    folder, *others = find_runs(name, outputs)
    if others:
        kind = "bundle" if name_in_bundle(folder) else "sweep"
        one = name_in_bundle(folder) or folder
        raise UserError(f"the {kind} '{name}' has {len(others) + 1} runs: name one, as {one}")
    return folder


def runs_of_sweep(folder: Path) -> list[Path] | None:
    """Return the run folders of the jobs that are done in a sweep's table; None if the folder is not a sweep's.

    `UserError` if no job is done.
    """
    table = folder / "jobs.csv"
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        return None
    outputs = folder.parent.parent  # which may have been moved since
    written = [Path(row["folder"]) for row in rows if row.get("state") == "done"]
    if not written:
        raise UserError(f"no job of the sweep {folder} is done: go on with it, or name runs")
    here = [outputs.joinpath(*path.parts[-2:]) for path in written]
    return [moved if moved.exists() else path for moved, path in zip(here, written, strict=True)]


def find_deleted(name: str, outputs: Path) -> Path:
    """Return the folder of a deleted run, by its id or the beginning of it."""
    last = name.rstrip("/").rpartition("/")[2]
    none = f"there is no run '{name}' in the trash of {outputs}: oldrestore runs restore lists it"
    return _the_one(last, runs_in_trash(outputs.absolute()), [], none)


def sweeps_of(name: str) -> list[Path]:
    """Return the folders of sweeps that a name of `find_runs` stands for: one itself, or those of a bundle."""
    bundled = split_name(at_home(name))
    if bundled is None:
        return [Path(at_home(name))] if (Path(at_home(name)) / "jobs.csv").is_file() else []
    return [] if bundled[1] else sorted(open_bundle(bundled[0]).glob(f"{SWEEPS}/*"))


def _run_below(outputs: Path, name: str, none: str) -> Path:
    """Return the run of an id, of its beginning, or the newest for ``last``."""
    runs = [path.parent for path in outputs.glob("*/*/config.yaml")]
    newest = sorted(runs, key=lambda run: (str(Run(run).get("started") or ""), run.name))[-1:] if name == "last" else []
    return _the_one(name, runs, newest, none)


def _evaluation_of(run: Path, name: str) -> Path:
    folders = [path.parent for path in run.glob("evaluations/*/config.yaml")]
    return _the_one(name, folders, sorted(folders)[-1:], f"the run '{run.name}' has no evaluation '{name}'")


def _the_one(name: str, folders: Sequence[Path], newest: list[Path], none: str) -> Path:
    """Return the folder of a name, of the only name that begins so, or the newest for ``last``; if `none`, say so."""
    exact = [folder for folder in folders if folder.name == name]
    matches = newest if name == "last" else exact or sorted(f for f in folders if f.name.startswith(name))
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UserError(none)
    raise UserError(f"'{name}' is the beginning of {len(matches)} run ids: write more of {matches[0].name}")


def find_checkpoint(name: str, outputs: Path, checkpoint: str | None = None) -> tuple[Path, str]:
    """Find a run folder and the name of a checkpoint of it: by default ``best``, or that of a checkpoint's path.

    `UserError` as in `find_run`, or if two checkpoints are named.
    """
    meant = checkpoint_in_run(Path(name))
    if meant is None or meant[1] is None:
        return find_run(name, outputs), checkpoint or "best"
    folder, which = meant
    if checkpoint not in (None, which):
        raise UserError(f"'{name}' is the checkpoint {which} and --checkpoint says {checkpoint}: leave one of them out")
    return folder, which


def checkpoint_in_run(path: Path) -> tuple[Path, str | None] | None:
    """Return run folder and name of a checkpoint's file, (folder, None) for ``RUN/checkpoints``, otherwise None."""
    try:
        if path.name == "checkpoints" and (path.parent / "config.yaml").is_file():
            return path.parent, None
        if path.suffix == ".safetensors" and path.parent.name == "checkpoints":
            folder = path.parent.parent
            return (folder, path.stem) if (folder / "config.yaml").is_file() else None
    except OSError:
        pass  # a name that is too long, a folder that may not be entered: the search for a run reports it
    return None


def is_weights_file(name: str) -> bool:
    """Say whether a name is that of a weights file outside any run folder."""
    path = Path(at_home(name))
    try:
        return path.suffix == ".safetensors" and path.is_file() and checkpoint_in_run(path) is None
    except OSError:  # a name that is too long
        return False


def refuse_links_out(folder: Path) -> None:
    """Raise `UserError` if a file of a run folder is a link to a file outside, which trackers would be sent.

    The folder ``checkpoints`` may be a link, as to a larger disk; a file may not.
    """
    checkpoints = folder / "checkpoints"
    candidates = [(path, folder) for path in folder.rglob("*") if path != checkpoints]
    if checkpoints.is_symlink() and checkpoints.is_dir():
        candidates += [(path, checkpoints) for path in checkpoints.iterdir()]
    for path, home in candidates:
        if path.is_symlink() and not path.resolve().is_relative_to(home.resolve()):
            name = path.relative_to(folder)
            raise UserError(
                f"'{name}' in the run '{folder.name}' is a link to {path.resolve()}, outside of it: put the file "
                "itself there"
            )
