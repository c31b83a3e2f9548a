"""Runs a logged run again, compares every number, and records the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.location import PACKAGE, repository_root
from oldrestore.config.roles import is_place
from oldrestore.errors import UserError
from oldrestore.records.asked_settings import as_override, leaves
from oldrestore.records.identity import new_run_id
from oldrestore.records.kinds import earlier_ends
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.records.withheld import is_withheld
from oldrestore.reproduction import comparison as compare
from oldrestore.reproduction.certificate import as_markdown
from oldrestore.reproduction.code_state import CodeDifference, compare_code, worktree_of
from oldrestore.reproduction.logged_run import LoggedRun
from oldrestore.reproduction.rerun import NoVerdictError, Rerun, run_again
from oldrestore.run.resuming import compare_provenance
from oldrestore.run.sync import sync_run
from oldrestore.tracking.mlflow_store import open_store
from oldrestore.tracking.tracker import spoken_reason

TOLERANCE = 1e-3
FILE = "reproduction.json"


@dataclass(frozen=True)
class Reproduction:
    """The outcome of a reproduction."""

    logged: LoggedRun
    rerun: Rerun
    comparison: compare.Comparison
    code: CodeDifference
    environment: dict[str, list]  # name to [then, now], without code
    places: dict[str, list]  # settings that locate photographs and have changed: name to [then, now]
    iterations: int  # run again
    worktree: bool  # whether the code was checked out for it

    @property
    def holds(self) -> bool:
        """Whether the run is the same, or within the tolerance."""
        return self.comparison.verdict != "differs"

    def in_words(self) -> str:
        """Return the verdict and, unless the runs are identical, how the code differs."""
        words = self.comparison.in_words()
        return words if self.comparison.verdict == "identical" or self.code.same else f"{words}; {self.code.in_words()}"

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as plain values."""
        counts = {name: part.get("count") for name, part in self.logged.run.data.items() if "count" in part}
        photographs = ", ".join(f"{count} of {name}" for name, count in counts.items())
        return {
            "verdict": self.comparison.verdict,
            "in_words": self.in_words(),
            "run_id": self.logged.run_id,
            "experiment": self.logged.run.experiment,
            "origin": self.logged.origin,
            "mlflow_run_id": self.logged.mlflow_run_id,
            "new_run_id": self.rerun.folder.name,
            "new_folder": str(self.rerun.folder),
            "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "seed": self.logged.run.seed,
            "iterations": self.iterations,
            "max_iterations": self.logged.run.config["trainer"]["max_iterations"],
            "state_then": self.logged.state,
            "state_now": self.rerun.state,
            "data_in_words": f"the same by content and label: {photographs}",
            "places": self.places,
            "worktree": self.worktree,
            "code": {**asdict(self.code), "in_words": self.code.in_words()},
            "environment": self.environment,
            "comparison": compare.to_json(self.comparison),
        }


def reproduce(
    logged: LoggedRun,
    outputs: Path,
    config: DictConfig,
    until: int | None = None,
    worktree: bool = False,
    tolerance: float = TOLERANCE,
    output: TextIO | None = None,
) -> Reproduction:
    """Run a logged run again, or only its first iterations, and compare.

    `config` is the run's configuration, with the trackers of the new run and the current locations of photographs. With
    `worktree`, the code is that of then, with its uncommitted changes. `tolerance` is in units of the largest value of
    each metric and tensor, and `output` is where the new run prints. Raises `UserError` if the photographs, the judge
    or the request do not allow it (no run folder is made), and `NoVerdictError` if the run was stopped or broke down.
    """
    loss = logged.run.curves.get("train/loss")
    if loss is None:
        raise UserError(f"run '{logged.run_id}' recorded no iteration: there is nothing to reproduce")
    recorded = int(loss.iterations[-1]) + 1
    if until is not None and not 1 <= until <= recorded:
        raise UserError(f"--until {until} is not among the {recorded} iterations of run '{logged.run_id}'")
    short = recorded if recorded < config.trainer.max_iterations and logged.state != "failed" else None
    until = until if until is not None else short
    new_config = OmegaConf.create(OmegaConf.to_container(config))
    new_config.outputs, new_config.run_id = str(outputs.absolute()), new_run_id()
    if until is not None:
        new_config.trainer.max_iterations = until
    then, now = leaves(logged.run.composed), leaves(config)
    if left_out := next((name for name, value in now.items() if is_withheld(value)), None):
        raise UserError(f"the bundle does not say where {left_out} was: add {left_out}=PLACE, where it is here")
    places = {
        n: [then.get(n), now[n]] for n in now if then.get(n) != now[n] and (is_place(n) or is_withheld(then.get(n)))
    }
    with ExitStack() as stack:
        code = PACKAGE.parent
        if worktree:
            code = stack.enter_context(worktree_of(logged.run.provenance, repository_root()))
        typed = [as_override(name, place) for name, (_, place) in places.items()]
        rerun = run_again(logged, new_config, code, output, typed)
    comparison = compare_runs(logged, rerun, until, tolerance)
    provenance = Run(rerun.folder).provenance
    code_difference = compare_code(logged.run.provenance, provenance, repository_root())
    environment = compare_provenance(logged.run.provenance, provenance)
    for name in ("code_hash", "commit"):
        environment.pop(name, None)
    iterations = until if until is not None else recorded
    return Reproduction(logged, rerun, comparison, code_difference, environment, places, iterations, worktree)


def compare_runs(logged: LoggedRun, rerun: Rerun, until: int | None, tolerance: float) -> compare.Comparison:
    """Compare records and weights of a run with those of its reproduction."""
    old, new = compare.read_records(logged.run.folder), compare.read_records(rerun.folder)
    since = compare.measured_since(old, new)
    new = {key: value for key, value in new.items() if key[1] not in since}
    # Where a run had ended before it was resumed, it was validated once more.
    loose = {iteration for iteration in (until, *earlier_ends(logged.run.folder)) if iteration is not None}
    comparison = compare.compare_records(old, new, tolerance, until, loose)
    if not any(name.name == "train/loss" and name.points for name in comparison.metrics):
        raise NoVerdictError(f"the new run {rerun.state} at its beginning: {rerun.reason}")
    weights, problems = compare_checkpoints(logged, rerun, until)
    if since:
        names = ", ".join(name for name in since if not name.startswith(compare.PER_IMAGE))
        problems = [*problems, f"{names}: measured since, and not by this run"]
    return replace(comparison, weights=weights, not_compared=problems)


def compare_checkpoints(
    logged: LoggedRun, rerun: Rerun, until: int | None
) -> tuple[list[compare.WeightsComparison], list[str]]:
    """Compare the last weights of both runs, or those of MLflow's model if there are no others."""
    from oldrestore.training.checkpoint import Checkpoint, load_checkpoint

    new = {path.stem: path for path in (rerun.folder / "checkpoints").glob("*.safetensors")}
    if "last" not in new:
        return [], [f"weights: the new run {rerun.state} before it wrote a checkpoint"]

    def compared(name: str, old: Checkpoint, new: Checkpoint) -> list[compare.WeightsComparison]:
        label = f"{name}, {old.state['iteration']} iterations"
        return [compare.compare_weights(label, *(compare.network_tensors(one.tensors) for one in (old, new)))]

    ours = load_checkpoint(new["last"])
    at = ours.state["iteration"]
    for name, path in logged.weights.items():
        if name != "best" and (theirs := load_checkpoint(path)).state["iteration"] == at:
            return compared(name, theirs, ours), []
    problem = f"final weights: no checkpoint of the run has {at} iterations"
    if "best" in logged.weights and until is None and "best" in new:
        theirs = load_checkpoint(logged.weights["best"])
        problems = [] if theirs.state["iteration"] == at else [problem]
        return compared("best", theirs, load_checkpoint(new["best"])), problems
    return [], [problem]


def write_down(reproduction: Reproduction, certificate: Mapping[str, Any], config: DictConfig) -> str | None:
    """Record the verdict in the new run's folder, and in MLflow if it is tracked there; returns why MLflow failed."""
    folder = RunFolder.open(reproduction.rerun.folder)
    folder.write_json(FILE, certificate)
    folder.text("reproduction", as_markdown(certificate))
    mark = {"of": reproduction.logged.run_id, "verdict": reproduction.comparison.verdict}
    if reproduction.iterations < certificate["max_iterations"]:
        mark["until"] = reproduction.iterations
    folder.update_status(reproduction=mark)
    folder.close()
    return _tell_mlflow(folder.path, config, certificate) if "mlflow" in config.tracking else None


def _tell_mlflow(folder: Path, config: DictConfig, certificate: Mapping[str, Any]) -> str | None:
    """Send the certificate in the new run's folder, and the verdict with a link to the old run as tags."""
    report = sync_run(folder, config)["mlflow"]
    if report.reason is not None:
        return report.reason
    link = Run(folder).status["sinks"]["mlflow"]
    tags = {
        "reproduction.verdict": certificate["verdict"],
        "reproduction.in_words": certificate["in_words"],
        "reproduction.of": certificate["run_id"],
        "reproduction.of_mlflow_run": certificate["mlflow_run_id"] or "",
        "reproduction.of_origin": certificate["origin"],
    }
    try:
        node = config.tracking.mlflow
        experiment = node.get("experiment") or config.experiment
        store = open_store(node.get("tracking_uri"), Path(config.outputs), experiment)
        for name, value in tags.items():
            if value:
                store.patiently(store.client.set_tag, link["run_id"], name, str(value)[:5000])
    # Whatever a tracking service does wrong must not change the verdict.
    except Exception as error:  # noqa: BLE001
        return spoken_reason("set_tag", error)
    return None
