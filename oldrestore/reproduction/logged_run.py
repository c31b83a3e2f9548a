"""Finds what a run logged: its folder, or a copy assembled from MLflow's artifacts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from oldrestore.errors import UserError
from oldrestore.records.bundle import name_in_bundle
from oldrestore.records.finding import find_run_to_read
from oldrestore.records.run import Run
from oldrestore.tracking.mlflow_moved import ARTIFACTS, local_path
from oldrestore.tracking.mlflow_store import quiet_environment, resolve_uri, without_credentials
from oldrestore.tracking.sqlite_uri import sqlite_path

MLFLOW_PREFIX = "mlflow:"
NEEDED = ("config.yaml", "provenance.json", "data.json", "metrics.jsonl")
RECORDS = (*NEEDED, "overrides.yaml", "choices.yaml", "accuracy.csv", "per_image.csv", "baselines.csv")
_STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running"}


@dataclass(frozen=True)
class LoggedRun:
    """A run, and where it was found."""

    run: Run  # its records, perhaps in a temporary folder
    origin: str  # where they come from, for people
    state: str | None  # how it ended, if known
    weights: dict[str, Path]  # files of last, best and each kept checkpoint
    outputs: Path | None = None  # root of run folders that it belongs to, if it has a folder on this machine
    mlflow_run_id: str | None = None

    @property
    def run_id(self) -> str:
        """Name of the run, whatever its folder is called."""
        return str(self.run.config["run_id"])


@contextmanager
def logged_run(name: str, outputs: Path, tracking_uri: str | None = None) -> Iterator[LoggedRun]:
    """Find a run and keep what it logged available.

    `name` is a run folder, a run id below `outputs` (or its beginning, or ``last``), ``FILE#RUN`` of a bundle (``FILE``
    if it has one run), a folder of MLflow artifacts, ``mlflow:RUN_ID`` with MLflow's id or ours, or MLflow's id alone.
    `tracking_uri` is by default ``MLFLOW_TRACKING_URI`` or ``outputs/mlflow.db``. Raises `UserError` if there is no
    such run, or it did not log what a reproduction needs.
    """
    if name.startswith(MLFLOW_PREFIX) or (re.fullmatch("[0-9a-f]{32}", name) and not Path(name).exists()):
        with TemporaryDirectory(prefix="oldrestore-mlflow-") as copy:
            yield _from_mlflow(name.removeprefix(MLFLOW_PREFIX), outputs, tracking_uri, Path(copy))
        return
    folder = find_run_to_read(name, outputs)
    if (folder / "status.json").is_file():
        yield _from_folder(folder)
    else:
        yield _from_artifacts(folder)


def _from_folder(folder: Path) -> LoggedRun:
    run = Run(folder)
    if run.status["alive"]:
        raise UserError(f"run '{run.run_id}' is still running (process {run.status['pid']}): wait for its end")
    _check_complete(folder, str(folder))
    link = (run.status.get("sinks") or {}).get("mlflow") or {}
    # A bundle is unpacked into the cache, which is no place for new runs.
    bundled = name_in_bundle(folder)
    outputs = None if bundled else folder.absolute().parent.parent
    return LoggedRun(run, bundled or str(folder), run.status.get("state"), run.checkpoints, outputs, link.get("run_id"))


def _from_artifacts(folder: Path) -> LoggedRun:
    """Read a copied folder of artifacts, ``mlartifacts/ID/artifacts``; the model is in ``mlartifacts/models``."""
    _check_complete(folder, str(folder))
    run = Run(folder)
    weights = {}
    for config in folder.absolute().parent.parent.glob("models/*/artifacts/artifacts/config.yaml"):
        best = config.with_name("best.safetensors")
        if best.is_file() and Run(config.parent).config.get("run_id") == run.config["run_id"]:
            weights["best"] = best
    own = folder.absolute().parent.name
    mlflow_id = own if re.fullmatch("[0-9a-f]{32}", own) else None
    return LoggedRun(run, f"the artifacts in {folder}", None, weights, None, mlflow_id)


def _from_mlflow(wanted: str, outputs: Path, tracking_uri: str | None, copy: Path) -> LoggedRun:
    quiet_environment()
    uri = resolve_uri(tracking_uri, outputs)
    shown = without_credentials(uri)
    database = sqlite_path(uri)
    if database is not None and not database.is_file():
        raise UserError(f"there is no MLflow store at {shown}: give --tracking-uri")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    try:
        record = _find_record(client, wanted, shown)
        beside = database.parent / ARTIFACTS if database is not None else None
        records = copy / "records"
        _fetch_records(client, record, beside, records)
        _check_complete(records, f"MLflow's run {record.info.run_id} at {shown}")
        best = _fetch_best(client, record, beside, uri, copy / "model")
    except MlflowException as error:
        raise UserError(f"MLflow at {shown} does not give run '{wanted}': {' '.join(str(error).split())}") from None
    return LoggedRun(
        Run(records),
        f"MLflow's run {record.info.run_id} at {shown}",
        _STATES.get(record.info.status),
        {"best": best} if best is not None else {},
        None,
        record.info.run_id,
    )


def _find_record(client: Any, wanted: str, shown: str) -> Any:
    if re.fullmatch("[0-9a-f]{32}", wanted):
        return client.get_run(wanted)
    quoted = wanted.replace("'", "''")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.run_id = '{quoted}'", max_results=2) if experiments else []
    if len(found) != 1:
        raise UserError(f"{len(found) or 'no'} runs at {shown} are called '{wanted}': give MLflow's own run id")
    return found[0]


def _fetch_records(client: Any, record: Any, beside: Path | None, folder: Path) -> None:
    folder.mkdir()
    here = _local(record.info.artifact_uri, beside)
    if here is not None:
        for name in RECORDS:
            if (here / name).is_file():
                shutil.copyfile(here / name, folder / name)
        return
    listed = {item.path for item in client.list_artifacts(record.info.run_id) if not item.is_dir}
    for name in RECORDS:
        if name in listed:
            client.download_artifacts(record.info.run_id, name, str(folder))


def _fetch_best(client: Any, record: Any, beside: Path | None, uri: str, place: Path) -> Path | None:
    model = record.data.tags.get("model_uri", "").rpartition("/")[2]
    if not re.fullmatch(r"[\w-]+", model, re.ASCII):  # a server's text, which becomes part of a path
        return None
    here = None if beside is None else beside / "models" / model / "artifacts" / "artifacts" / "best.safetensors"
    if here is not None and here.is_file():
        return here
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    place.mkdir()
    try:
        # By location: by its name MLflow would look it up in a store of the current folder.
        location = client.get_logged_model(model).artifact_location
        file = f"{location}/artifacts/best.safetensors"
        best = Path(download_artifacts(file, dst_path=str(place), tracking_uri=uri))
    except (MlflowException, OSError):
        return None  # its files are gone: the rest can still be compared
    return best if best.is_file() else None


def _local(artifact_uri: str, beside: Path | None) -> Path | None:
    """Folder of artifacts on this machine: beside the database, if both were copied from elsewhere."""
    there = local_path(artifact_uri)
    if there is None or beside is None:
        return there
    here = beside.joinpath(*there.parts[-2:])
    return here if here.is_dir() else there


def _check_complete(folder: Path, what: str) -> None:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{what} has no {' and no '.join(missing)}, and cannot be reproduced without")
