"""Plans how to resume a run: which one is meant, what may change, and what is not as it was; imports no Paddle."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.config import plugins
from oldrestore.config.build import build
from oldrestore.config.roles import is_place, is_place_of_photographs
from oldrestore.errors import UserError
from oldrestore.records.asked_settings import agreed, asked_for, asked_of_any, choices_meant, with_typed
from oldrestore.records.finding import find_run, refuse_links_out
from oldrestore.records.liveness import lock_run
from oldrestore.records.run import Run

AUTO = "auto"
# Seconds in which the loader's workers of a run that was killed notice, and let go of its folder.
WAIT_FOR_WORKERS = 15.0


@dataclass
class Resumption:
    """A run to resume, its folder locked."""

    folder: Path  # as the user named it
    config: DictConfig  # the run's, with the changes that are allowed; not yet checked
    overrides: list[str]  # what was typed now
    changed: dict[str, list]  # setting to [before, after]
    lock: contextlib.ExitStack  # unlocks the folder when it is closed

    @property
    def environment(self) -> dict[str, str | None]:
        """Variables that the run's numbers depend on, as when the run began; empty if not recorded."""
        try:
            return Run(self.folder).environment
        except UserError:
            return {}

    @property
    def choices(self) -> dict[str, str]:
        """The choice of each group."""
        return Run(self.folder).choices

    def all_overrides(self) -> list[str]:
        """Return what was typed when the run began, updated by what now changed something."""
        new = [text for text in self.overrides if any(_names(text, changed) for changed in self.changed)]
        return with_typed(Run(self.folder).overrides, new)


def lock_on_first(folder: Path, wait: float) -> contextlib.ExitStack:
    """Lock a run folder (rank 0 only)."""
    return lock_run(folder, wait) if parallel.launched_rank() == 0 else contextlib.ExitStack()


def plan_resume(wanted: str, composed: DictConfig, overrides: Sequence[str]) -> Resumption | None:
    """Find the run to resume, lock its folder, and settle what may change.

    The run is named as for `find_run`, or by ``auto``: the newest of this experiment and with these settings that has
    not finished and is not running, or None. `composed` is what Hydra made of the overrides, as typed, without
    ``resume=``, after `choices_meant` of a named run. `UserError` if the run does not exist, is running, has finished,
    or cannot change a setting as asked.
    """
    outputs = Path(composed.outputs)
    if wanted == AUTO:
        return _newest_unfinished(outputs, composed, overrides)
    folder = find_run(wanted, outputs)
    asked = asked_for(composed, overrides, choices_meant(Run(folder).choices, overrides))
    # A choice of photographs that names no folder moves none.
    asked = {name: value for name, value in asked.items() if value is not None or not is_place(name)}
    status = _status(folder)
    if status.get("alive"):
        raise UserError(f"run '{folder.name}' is still running (process {status['pid']}): stop it first")
    # A folder that was named by its path stays where it is.
    outputs = outputs if folder.is_relative_to(outputs) else folder.parent.parent
    return _plan(folder, outputs, asked, composed, overrides, wait=WAIT_FOR_WORKERS)


def _newest_unfinished(outputs: Path, composed: DictConfig, overrides: Sequence[str]) -> Resumption | None:
    asked = asked_of_any(composed, overrides)
    candidates = []
    for path in (outputs / composed.experiment).glob("*/config.yaml"):
        status = _status(path.parent)
        # A run on another machine may be alive, unless it is this very job, requeued.
        gone = status.get("alive") is False or _same_slurm_job(status)
        if status.get("state") != "finished" and gone:
            candidates.append((status.get("started") or "", path.parent.name, path.parent))
    for _, _, folder in sorted(candidates, reverse=True):
        try:
            # A judge at another place counts as another run: whether it is the same is known only once it is loaded.
            may_move = is_place_of_photographs
            return _plan(folder, outputs, asked, composed, overrides, wait=0.0, may_move=may_move)
        except UserError:
            continue  # another process was faster, or it is a run with other settings
    return None


def _plan(
    folder: Path,
    outputs: Path,
    asked: Mapping[str, Any],
    composed: DictConfig,
    overrides: Sequence[str],
    wait: float,
    may_move: Callable[[str], bool] = is_place,
) -> Resumption:
    Run(folder).require_plugins()
    config = Run(folder).composed
    refuse_links_out(folder)
    name = Path(str(config.get("experiment")), str(config.get("run_id")))
    if name != Path(folder.absolute().parent.name, folder.name):
        raise UserError(f"the folder {folder} is not named as its run: it should end in {name}")
    merged, changed = agreed(asked, composed, config, folder, may_move)
    changed.pop("outputs", None)
    merged.outputs = str(outputs)
    if _status(folder).get("state") == "finished" and "trainer.max_iterations" not in changed:
        raise UserError(
            f"run '{folder.name}' has finished its {config.trainer.max_iterations} iterations: "
            "raise trainer.max_iterations to go on"
        )
    if any(is_place_of_photographs(name) for name in changed):
        check_photographs(folder, merged)
    return Resumption(folder, merged, list(overrides), changed, lock_on_first(folder, wait))


def compare_provenance(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list]:
    """Return the differences that a run's numbers may depend on: name to [then, now]."""
    differences = {}
    for name in ("code_hash", "commit", "python", "platform", "processor", "device"):
        if then.get(name) != now.get(name):
            differences[name] = [then.get(name), now.get(name)]
    kernels = [recorded.get("kernels", "paddle") for recorded in (then, now)]  # earlier versions had no others
    if kernels[0] != kernels[1]:
        differences["kernels"] = kernels
    differences |= plugins.changes(plugins.recorded_in(then), plugins.recorded_in(now))
    counts = [len(recorded.get("processes") or [0]) for recorded in (then, now)]
    if counts[0] != counts[1]:
        differences["processes"] = counts
    for part in ("environment", "packages"):
        before, after = then.get(part) or {}, now.get(part) or {}
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                differences[name] = [before.get(name), after.get(name)]
    return differences


def check_photographs(folder: Path, config: DictConfig) -> None:
    """Raise `UserError` if the photographs of a configuration are not those of a run; only photographs are read."""
    source = build(config.dataset)
    splits = {"train": source.split("train"), "val": source.split("val")}
    judged = config.evaluation.judged
    if judged is not None:
        judged_source = source if judged == "dataset" else build(judged)
        splits["judged"] = judged_source.split(config.evaluation.judged_split)
    check_data(folder, {name: split.describe() for name, split in splits.items()})


def check_data(folder: Path, now: Mapping[str, Any]) -> None:
    """Raise `UserError` if photographs or judge are not those in a run's ``data.json``, naming one that differs."""
    try:
        then = Run(folder).data
    except UserError:
        return  # killed before it was written, and so before anything was trained
    for part, described in now.items():
        before = then.get(part, {})
        # The protocol follows from the settings, which a resumed run keeps.
        if part == "protocol" or before.get("fingerprint") == described["fingerprint"]:
            continue
        if part == "judge":
            raise UserError(f"the judge {described['name']} is not the network that run '{folder.name}' was judged by")
        raise UserError(
            f"the photographs of '{part}' are not those of run '{folder.name}' ({before.get('count', 'none')} then, "
            f"{described['count']} now; {_first_difference(before, described)}): put them back, or start a new run"
        )


def _first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    then, here = before.get("photographs"), now.get("photographs") or {}
    if not then:  # runs of earlier versions did not record names
        return "other contents or labels"
    changed = sorted(name for name in then.keys() & here.keys() if then[name] != here[name])
    missing, new = sorted(then.keys() - here.keys()), sorted(here.keys() - then.keys())
    for names, what in ((changed, "has other contents or another label"), (missing, "is missing"), (new, "is new")):
        if names:
            return f"'{names[0]}' {what}"
    return "other contents or labels"


def _status(folder: Path) -> dict[str, Any]:
    """Return the status of a run; one that was killed before it wrote any is gone."""
    try:
        return Run(folder).status
    except UserError:
        return {"alive": False}


def _same_slurm_job(status: Mapping[str, Any]) -> bool:
    job = os.environ.get("SLURM_JOB_ID")
    return job is not None and status.get("slurm_job_id") == job


def _names(override: str, changed: str) -> bool:
    """Say whether an override is the one that a changed setting comes from."""
    key = override.partition("=")[0].lstrip("+~").replace("/", ".")
    return changed == key or changed.startswith(f"{key}.")
