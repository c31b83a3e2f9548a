"""Opens an MLflow store: silent, without telemetry, and created only once if many runs start together."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from oldrestore.files import lock
from oldrestore.tracking.mlflow_moved import DATABASE, artifact_location, follow_move
from oldrestore.tracking.sqlite_uri import sqlite_path, sqlite_uri

# No telemetry, seconds rather than minutes until a dead server is given up, and no progress lines of MLflow in the
# training log. The user's own settings take precedence.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
    # Standard output may be JSON.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Progress bars between the lines of a run, if tqdm is installed.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def patiently(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call, and try again for a minute while another process has locked the SQLite file."""
    deadline = time.monotonic() + 60.0
    while True:
        try:
            return call(*arguments, **named)
        # SQLAlchemy's error or MLflow's around it: only the text tells that the file is locked.
        except Exception as error:
            if "database is locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.05, 0.5))


@dataclass(frozen=True)
class Store:
    """An open MLflow store (an MlflowClient), its URI with any credentials, and the experiment in it."""

    client: Any
    uri: str
    experiment_id: str
    patiently = staticmethod(patiently)

    def find(self, call: str, *arguments: Any) -> Any | None:
        """Return the answer of a call of the client; None if the store lacks what it asks for."""
        from mlflow.exceptions import MlflowException

        try:
            return patiently(getattr(self.client, call), *arguments)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    @property
    def shown_uri(self) -> str:
        """The URI without credentials, safe to record."""
        return without_credentials(self.uri)


def default_uri(outputs: Path) -> str:
    """Return the URI of the embedded store: an SQLite file in the root of run folders."""
    return sqlite_uri(Path(outputs) / DATABASE)


def resolve_uri(tracking_uri: str | None, outputs: Path) -> str:
    """Return the store to use: `tracking_uri`, else ``MLFLOW_TRACKING_URI``, else the embedded one; SQLite paths
    absolute.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(outputs)
    path = sqlite_path(uri)
    return uri if path is None or path.is_absolute() else sqlite_uri(path)


def quiet_environment() -> None:
    """Set the variables of `ENVIRONMENT` that the user has not set; must run before MLflow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)


def open_store(tracking_uri: str | None, outputs: Path, experiment: str) -> Store:
    """Open the store and find or create the experiment.

    MLflow creates the tables of an SQLite file when it is first opened, and two processes that do so at once break each
    other, so a lock file beside the database admits one at a time. Under the lock, a moved store is corrected, too.
    """
    quiet_environment()
    uri = resolve_uri(tracking_uri, outputs)
    path = sqlite_path(uri)
    # The import takes seconds; it must not happen while the lock is held.
    from mlflow import MlflowClient
    from mlflow.tracking._tracking_service import utils

    with _locked(path) if path else contextlib.nullcontext():
        if path and not path.exists():
            _build(path)
        elif path:
            follow_move(path, outputs)
            # MLflow caches for the whole process where runs have their artifacts.
            getattr(utils, "_artifact_repos_cache", {}).clear()
        # One URI for both: otherwise, the registry would have a default of its own.
        client = patiently(MlflowClient, tracking_uri=uri, registry_uri=uri)
        # A server decides where its artifacts are stored.
        location = artifact_location(outputs) if path else None
        return Store(client, uri, patiently(_experiment_id, client, experiment, location))


def _build(database: Path) -> None:
    """Create a new SQLite store completely or not at all: a later start does not complete what a kill left."""
    from mlflow import MlflowClient

    unfinished = database.with_name(f".{database.name}.new")
    unfinished.unlink(missing_ok=True)
    uri = sqlite_uri(unfinished)
    MlflowClient(tracking_uri=uri, registry_uri=uri)
    unfinished.replace(database)


def follow_move_of(uri: str, outputs: Path) -> None:
    """Correct an embedded store that was moved, for a server that opens it; a read-only one stays as it is."""
    path = sqlite_path(uri)
    if path is not None and path.is_file():
        with contextlib.suppress(OSError, sqlite3.OperationalError), _locked(path):
            follow_move(path, outputs)


def without_credentials(uri: str) -> str:
    """Return `uri` without a user name and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def _experiment_id(client: Any, name: str, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another run was faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id


def _locked(database: Path) -> contextlib.AbstractContextManager[bool]:
    database.parent.mkdir(parents=True, exist_ok=True)
    return lock(database.with_name(f"{database.name}.lock"))
