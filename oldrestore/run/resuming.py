"""Plans how to resume a run: which one is meant, and whether it may be resumed as asked; imports no Paddle."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.config.roles import is_place, is_place_of_photographs
from oldrestore.errors import UserError
from oldrestore.records.asked_settings import agreed, asked_for, asked_of_any, disagreement, with_typed
from oldrestore.records.finding import find_run, refuse_links_out
from oldrestore.records.liveness import lock_run
from oldrestore.records.run import Run
from oldrestore.run.then_and_now import check_photographs

AUTO = "auto"
# Seconds in which the loader's workers of a run that was killed notice, and let go of its folder.
WAIT_FOR_WORKERS = 15.0


@dataclass
class Resumption:
    """A run to resume, its folder locked.

    Attributes
    ----------
    folder : Path
        As the user named it.
    config : DictConfig
        The run's, with the settings changed that may change; not yet checked.
    overrides : list of str
        What was typed now.
    changed : dict
        Setting to [before, after].
    lock : ExitStack
        Unlocks the folder when it is closed.
    """

    folder: Path
    config: DictConfig
    overrides: list[str]
    changed: dict[str, list]
    lock: contextlib.ExitStack

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

    Parameters
    ----------
    wanted : str
        A run as `find_run` takes it; or ``auto``: the newest run of this experiment and with these settings that has
        not finished and is not running.
    composed : DictConfig
        What Hydra made of the overrides.
    overrides : sequence of str
        As typed, without ``resume=``.

    Returns
    -------
    Resumption or None
        None if ``auto`` finds no such run.

    Raises
    ------
    UserError
        The run does not exist, is running, has finished, or cannot change a setting as asked.
    """
    outputs = Path(composed.outputs)
    if wanted == AUTO:
        return _newest_unfinished(outputs, composed, overrides)
    # A choice of photographs that names no folder moves none.
    asked = {n: value for n, value in asked_for(composed, overrides).items() if value is not None or not is_place(n)}
    folder = find_run(wanted, outputs)
    status = _status(folder)
    if status.get("alive"):
        raise UserError(f"run '{folder.name}' is still running (process {status['pid']}): stop it first")
    # A folder that was named by its path stays where it is.
    outputs = outputs if folder.is_relative_to(outputs) else folder.parent.parent
    return _plan(folder, status, outputs, asked, composed, overrides, wait=WAIT_FOR_WORKERS)


def _newest_unfinished(outputs: Path, composed: DictConfig, overrides: Sequence[str]) -> Resumption | None:
    asked = asked_of_any(composed, overrides)
    candidates = []
    for path in (outputs / composed.experiment).glob("*/config.yaml"):
        status = _status(path.parent)
        # A run on another machine may be alive, unless it is this very job, requeued.
        gone = status.get("alive") is False or _same_slurm_job(status)
        if status.get("state") != "finished" and gone:
            candidates.append((status.get("started") or "", path.parent.name, path.parent, status))
    for _, _, folder, status in sorted(candidates, key=lambda c: c[:2], reverse=True):
        try:
            # A judge at another place counts as another run: whether it is the same is known only once it is loaded.
            may_move = is_place_of_photographs
            return _plan(folder, status, outputs, asked, composed, overrides, wait=0.0, may_move=may_move)
        except UserError:
            continue  # another process was faster, or it is a run with other settings
    return None


def _plan(
    folder: Path,
    status: Mapping[str, Any],
    outputs: Path,
    asked: Mapping[str, Any],
    composed: DictConfig,
    overrides: Sequence[str],
    wait: float,
    may_move: Callable[[str], bool] = is_place,
) -> Resumption:
    config = Run(folder).composed
    refuse_links_out(folder)
    name = Path(str(config.get("experiment")), str(config.get("run_id")))
    if name != Path(folder.absolute().parent.name, folder.name):
        raise UserError(f"the folder {folder} is not named as its run: it should end in {name}")
    problem = disagreement(asked, config, folder, may_move)
    if problem is not None:
        raise UserError(problem)
    merged, changed = agreed(asked, composed, config)
    changed.pop("outputs", None)
    merged.outputs = str(outputs)
    if status.get("state") == "finished" and "trainer.max_iterations" not in changed:
        raise UserError(
            f"run '{folder.name}' has finished its {config.trainer.max_iterations} iterations: "
            "raise trainer.max_iterations to go on"
        )
    if any(is_place_of_photographs(name) for name in changed):
        check_photographs(folder, merged)
    return Resumption(folder, merged, list(overrides), changed, lock_on_first(folder, wait))


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
