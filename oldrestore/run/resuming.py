"""Goes on with a run: which one is meant, whether it may, and back to its last checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.config.roles import is_place, is_place_of_photographs
from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.records.asked_settings import (
    agreed,
    asked_for,
    asked_of_any,
    disagreement,
    with_typed,
)
from oldrestore.records.finding import find_run, refuse_links_out
from oldrestore.records.run import Run
from oldrestore.records.run_lock import RunLock
from oldrestore.records.superseded import new_resume_folder, set_aside
from oldrestore.run.moved_photographs import check_photographs
from oldrestore.run.then_and_now import check_data, compare_provenance

if TYPE_CHECKING:
    from oldrestore.run.progress import Progress
    from oldrestore.training.learner import Learner

AUTO = "auto"
SHOWN = 6  # differences that are printed; all of them are written down
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
        The run's, with what may change as it was asked for now; to be checked before it is used.
    overrides : list of str
        What was typed now.
    changed : dict
        Setting to [before, after].
    lock : RunLock
    """

    folder: Path
    config: DictConfig
    overrides: list[str]
    changed: dict[str, list]
    lock: RunLock | Unheld

    @property
    def environment(self) -> dict[str, str | None]:
        """What the run's numbers depend on, as it was when the run began; empty where nobody wrote it down."""
        try:
            return Run(self.folder).environment
        except UserError:
            return {}

    @property
    def choices(self) -> dict[str, str]:
        """What the run's groups chose."""
        return Run(self.folder).choices

    def all_overrides(self) -> list[str]:
        """What was typed when the run began, and after it, or in its place, what now changed something."""
        new = [text for text in self.overrides if any(_names(text, changed) for changed in self.changed)]
        return with_typed(Run(self.folder).overrides, new)


@dataclass(frozen=True)
class BackAtCheckpoint:
    """A run folder as it was at its last checkpoint.

    Attributes
    ----------
    progress : Progress
    provenance : dict
        Of the run's beginning.
    differences : dict
        What is not as it was then: name to [then, now].
    """

    progress: Progress
    provenance: dict[str, Any]
    differences: dict[str, list]

    def in_words(self) -> str:
        """Return the differences as a line; it ends with what they mean."""
        parts = [f"{name} {_short(then)} -> {_short(now)}" for name, (then, now) in self.differences.items()]
        more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
        return f"note: not as when the run began: {', '.join(parts[:SHOWN])}{more}; the numbers may differ for it"


class Unheld:
    """Stands for the lock of a run that another process of it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        """Nothing is held."""

    def release(self) -> None:
        """Nothing is held."""


def lock_of(folder: Path, wait: float) -> RunLock | Unheld:
    """Hold a run's folder; of several processes that train together, rank 0 does."""
    return RunLock(folder, wait) if parallel.launched_rank() == 0 else Unheld()


def plan_resume(wanted: str, composed: DictConfig, overrides: Sequence[str]) -> Resumption | None:
    """Find the run to go on with, hold its folder, and settle what may change; Paddle is not imported for it.

    Parameters
    ----------
    wanted : str
        A run folder, a run id, its beginning, ``last``; or ``auto``: the newest run of this experiment and with these
        settings that has not finished and does not run.
    composed : DictConfig
        What Hydra made of the overrides.
    overrides : sequence of str
        As typed, without ``resume=``.

    Returns
    -------
    Resumption or None
        None where ``auto`` finds no such run.

    Raises
    ------
    UserError
        The run is not there, runs, has finished, or something was typed that it cannot have.
    """
    outputs = Path(composed.outputs)
    if wanted == AUTO:
        return _newest_unfinished(outputs, asked_of_any(composed, overrides), composed, overrides)
    # A choice of photographs that names no folder moves none.
    asked = {n: value for n, value in asked_for(composed, overrides).items() if value is not None or not is_place(n)}
    folder = find_run(wanted, outputs)
    status = _status(folder)
    if status.get("alive"):
        raise UserError(f"run '{folder.name}' is still running (process {status['pid']}): stop it first")
    # A folder that was named by its path stands where it stands.
    outputs = outputs if folder.is_relative_to(outputs) else folder.parent.parent
    return _plan(folder, status, outputs, asked, composed, overrides, wait=WAIT_FOR_WORKERS)


def _newest_unfinished(
    outputs: Path, asked: Mapping[str, Any], composed: DictConfig, overrides: Sequence[str]
) -> Resumption | None:
    candidates = []
    for path in (outputs / composed.experiment).glob("*/config.yaml"):
        status = _status(path.parent)
        # Of a run on another machine nothing is known from here, unless this is that job, requeued.
        gone = status.get("alive") is False or _same_slurm_job(status)
        if status.get("state") != "finished" and gone:
            candidates.append((status.get("started") or "", path.parent.name, path.parent, status))
    for _, _, folder, status in sorted(candidates, key=lambda c: c[:2], reverse=True):
        try:
            # Whether a judge elsewhere is the same is known only once it is loaded: that is another run here.
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
    own = Path(str(config.get("experiment")), str(config.get("run_id")))
    if own != Path(folder.absolute().parent.name, folder.name):
        raise UserError(f"the folder {folder} is not named as its run: it should end in {own}")
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
    return Resumption(folder, merged, list(overrides), changed, lock_of(folder, wait))


def go_back_to_checkpoint(
    resumption: Resumption, learner: Learner, data: Mapping[str, Any], provenance: Mapping[str, Any]
) -> BackAtCheckpoint:
    """Give the learner the last checkpoint, and the run folder the state that it had then.

    Parameters
    ----------
    resumption : Resumption
    learner : Learner
        Newly built; a run that has no checkpoint yet leaves it so, and begins again.
    data, provenance : mapping
        As they are now.

    Raises
    ------
    UserError
        Before anything is changed: other photographs, or a checkpoint that cannot be read.
    """
    from oldrestore.run.progress import after, beginning, check_state, evaluates_again
    from oldrestore.training.checkpoint import load_checkpoint

    folder, config = resumption.folder, resumption.config
    check_data(folder, data)
    try:
        recorded = Run(folder).provenance
    except UserError:
        recorded = dict(provenance)  # killed before it was written down
    last = folder / "checkpoints" / "last.safetensors"
    checkpoint = load_checkpoint(last) if last.is_file() else None
    iteration, again, marks = 0, False, {}
    if checkpoint is not None:
        check_state(checkpoint.state, last)
        learner.restore(checkpoint)
        iteration = int(checkpoint.state["iteration"])
        again = evaluates_again(checkpoint.state, config.trainer.max_iterations)
        marks = checkpoint.state.get("marks_before_evaluation" if again else "marks")
    aside = new_resume_folder(folder)
    differences = compare_provenance(recorded, provenance)
    _write_down(aside, resumption, iteration, differences, provenance)
    set_aside(folder, marks, iteration, aside, again)
    if checkpoint is None:
        progress = beginning(config.trainer.monitor_mode)
        for path in (folder / "checkpoints").glob("*.safetensors"):
            path.unlink()  # the best of a beginning that is made again
    else:
        progress = after(checkpoint, folder, config.trainer.log_every, config.trainer.max_iterations)
    return BackAtCheckpoint(progress, recorded, differences)


def take_checkpoint(folder: Path, learner: Learner) -> None:
    """Give the learner of a process that writes nothing down the checkpoint that rank 0 has gone back to."""
    from oldrestore.training.checkpoint import load_checkpoint

    last = folder / "checkpoints" / "last.safetensors"
    if last.is_file():
        learner.restore(load_checkpoint(last))


def _write_down(
    aside: Path,
    resumption: Resumption,
    iteration: int,
    differences: Mapping[str, list],
    provenance: Mapping[str, Any],
) -> None:
    content = {
        "iteration": iteration,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "overrides": resumption.overrides,
        "changed": resumption.changed,
        "differences": differences,
    }
    write_atomically(aside / "resume.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    if differences:
        write_atomically(aside / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")


def _status(folder: Path) -> dict[str, Any]:
    """Status of a run; of one that was killed before it wrote one, that it is gone."""
    try:
        return Run(folder).status
    except UserError:
        return {"alive": False}


def _same_slurm_job(status: Mapping[str, Any]) -> bool:
    job = os.environ.get("SLURM_JOB_ID")
    return job is not None and status.get("slurm_job_id") == job


def _names(override: str, changed: str) -> bool:
    """Say whether an override is one that a changed setting comes from."""
    key = override.partition("=")[0].lstrip("+~").replace("/", ".")
    return changed == key or changed.startswith(f"{key}.")


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
