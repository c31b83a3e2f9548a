"""MLflow's run follows a run folder that is tagged, deleted, restored or removed for good."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.records.notes import Notes, read_notes
from oldrestore.records.run import Run
from oldrestore.tracking.mlflow_model import MODELS
from oldrestore.tracking.mlflow_moved import ARTIFACTS, DATABASE
from oldrestore.tracking.mlflow_store import Store, default_uri, open_store, quiet_environment, resolve_uri
from oldrestore.tracking.mlflow_values import note_tags
from oldrestore.tracking.sqlite_uri import sqlite_path
from oldrestore.tracking.tracker import spoken_reason


def link_of(folder: Path) -> dict[str, Any]:
    """Return where MLflow has the run of a folder; empty if it was not tracked there."""
    try:
        link = (Run(folder).status.get("sinks") or {}).get("mlflow")
    except UserError:
        return {}
    return dict(link) if isinstance(link, Mapping) and isinstance(link.get("run_id"), str) else {}


def tell_notes(folder: Path, outputs: Path, before: Notes) -> str | None:
    """Send what is noted of a run, and remove what was noted `before`; returns why that failed."""
    then, now = note_tags(before), note_tags(read_notes(folder))

    def tell(store: Store, run_id: str) -> None:
        known = _record_of(store, run_id, folder).data.tags
        for name, value in now.items():
            store.patiently(store.client.set_tag, run_id, name, value)
        for name in then.keys() & known.keys() - now.keys():
            store.patiently(store.client.delete_tag, run_id, name)

    return _tell(folder, outputs, tell)


def tell_deleted(folder: Path, outputs: Path, is_deleted: bool) -> str | None:
    """Delete a run in MLflow, which keeps it, or restore it there; returns why that failed."""

    def tell(store: Store, run_id: str) -> None:
        gone = _record_of(store, run_id, folder).info.lifecycle_stage == "deleted"
        if gone != is_deleted:
            store.patiently(store.client.delete_run if is_deleted else store.client.restore_run, run_id)

    return _tell(folder, outputs, tell)


def _record_of(store: Store, run_id: str, folder: Path) -> Any:
    """Return MLflow's record of a run; ValueError if it is of another one: a folder's files may come from anyone."""
    record = store.patiently(store.client.get_run, run_id)
    if record.data.tags.get("run_id") != folder.name:
        raise ValueError(f"run {run_id} there is not {folder.name}")
    return record


def _tell(folder: Path, outputs: Path, tell: Callable[[Store, str], None]) -> str | None:
    link = link_of(folder)
    uri = _uri(folder, link, outputs) if link else None
    if uri is None:
        return None
    try:
        tell(open_store(uri, outputs, Run(folder).experiment), link["run_id"])
    # Whatever a tracking service does wrong must not undo what was done to the folder.
    except Exception as error:  # noqa: BLE001
        return spoken_reason("tell", error)
    return None


def _uri(folder: Path, link: Mapping[str, Any], outputs: Path) -> str | None:
    """Return the store of a run; None if it is an SQLite file that is gone."""
    node = (Run(folder).config.get("tracking") or {}).get("mlflow") or {}
    uri = node.get("tracking_uri")
    if not uri:  # the embedded one, which may have been moved or copied with its outputs folder
        written = str(link.get("tracking_uri") or "")
        uri = default_uri(outputs) if Path(written).name == DATABASE else written
    path = sqlite_path(resolve_uri(uri, outputs))
    return uri if path is None or path.is_file() else None


def kept_artifacts(folder: Path, outputs: Path) -> list[Path]:
    """Return the folders of a run's artifacts and model in the embedded store."""
    link = link_of(folder)
    names = str(link.get("run_id")), str(link.get("model_uri")).removeprefix(MODELS)
    folders = outputs / ARTIFACTS / names[0], outputs / ARTIFACTS / "models" / names[1]
    return [path for path in folders if re.fullmatch(r"[\w-]+", path.name, re.ASCII) and path.is_dir()]


def remove_for_good(folders: Sequence[Path], outputs: Path) -> str | None:
    """Remove deleted runs of the embedded store, with artifacts and models; returns why that failed.

    Runs on a server stay deleted there: its own ``mlflow gc`` removes them.
    """
    uri = default_uri(outputs)
    links = {folder: link for folder in folders if (link := link_of(folder)) and _uri(folder, link, outputs) == uri}
    if not links:
        return None
    quiet_environment()
    runs, models = [], []
    try:
        store = open_store(uri, outputs, Run(next(iter(links))).experiment)
        for folder, link in links.items():
            run_id, model_id = link["run_id"], str(link.get("model_uri") or "").removeprefix(MODELS)
            if store.find("get_run", run_id) is None:
                continue  # removed before
            if _record_of(store, run_id, folder).info.lifecycle_stage == "deleted":
                runs.append(run_id)
                model = store.find("get_logged_model", model_id) if model_id else None
                if model is not None and model.source_run_id == run_id:
                    store.patiently(store.client.delete_logged_model, model_id)
                    models.append(model_id)
    # Whatever is wrong with the store must not keep the trash.
    except Exception as error:  # noqa: BLE001
        return spoken_reason("gc", error)
    if not runs:  # without names, it would remove every run that is deleted
        return None
    command = [sys.executable, "-P", "-m", "mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri]
    command += ["--run-ids", ",".join(runs), *(["--logged-model-ids", ",".join(models)] if models else [])]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=600)
    said = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
    return said[0] if done.returncode else None
