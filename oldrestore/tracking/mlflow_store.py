"""Opens an MLflow store: silent, without telemetry, and made only once when many runs start together."""

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

# Nothing calls out unless the user asks, a dead server is given up on in seconds rather than minutes, and
# MLflow's progress lines do not land in the training log. What the user has set wins.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
    # What is printed may be JSON that somebody reads.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Bars of its own, where tqdm is installed, between the lines of a run.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True)
class Store:
    """An open MLflow store and the experiment in it.

    Attributes
    ----------
    client : mlflow.MlflowClient
    uri : str
        With credentials, if it has any.
    experiment_id : str
    """

    client: Any
    uri: str
    experiment_id: str

    @property
    def shown_uri(self) -> str:
        """The URI without credentials, fit to be written down."""
        return without_credentials(self.uri)

    def patiently(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call, and try again for a minute while another process holds the lock of the SQLite file."""
        return patiently(call, *arguments, **named)


def patiently(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call, and try again for a minute while another process holds the lock of an SQLite file."""
    deadline = time.monotonic() + 60.0
    while True:
        try:
            return call(*arguments, **named)
        # SQLAlchemy's error or MLflow's around it: only the text tells that the file is locked.
        except Exception as error:
            if "database is locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.05, 0.5))


def default_uri(outputs: Path) -> str:
    """Return the URI of the embedded store: an SQLite file in the root of run folders."""
    return sqlite_uri(Path(outputs) / DATABASE)


def resolve_uri(tracking_uri: str | None, outputs: Path) -> str:
    """Return the store to use: the one given, else ``MLFLOW_TRACKING_URI``, else the embedded one.

    A relative SQLite path is made absolute, since it must not depend on where a program was started.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(outputs)
    path = sqlite_path(uri)
    return uri if path is None or path.is_absolute() else sqlite_uri(path)


def quiet_environment() -> None:
    """Set `ENVIRONMENT` where the user has set nothing; must run before MLflow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)


def open_store(tracking_uri: str | None, outputs: Path, experiment: str) -> Store:
    """Open the store and find or make the experiment.

    MLflow builds the tables of an SQLite file when it is first opened, and two processes that do so at once
    break each other; a lock file beside the database lets one go first. That one also brings a store up to date that
    was moved.
    """
    quiet_environment()
    uri = resolve_uri(tracking_uri, outputs)
    path = sqlite_path(uri)
    # The import takes seconds; it must not happen while the lock is held.
    from mlflow import MlflowClient

    with _locked(path) if path else contextlib.nullcontext():
        if path and not path.exists():
            _build(path)
        elif path:
            follow_move(path, outputs)
            _forget_places()
        # One URI for both: left alone, the registry would look for a default of its own.
        client = patiently(MlflowClient, tracking_uri=uri, registry_uri=uri)
        # A server decides itself where its artifacts go.
        location = artifact_location(outputs) if path else None
        return Store(client, uri, patiently(_experiment_id, client, experiment, location))


def _build(database: Path) -> None:
    """Make a new SQLite store whole or not at all: tables that a kill left half made are mended by no later start."""
    from mlflow import MlflowClient

    unfinished = database.with_name(f".{database.name}.new")
    unfinished.unlink(missing_ok=True)
    uri = sqlite_uri(unfinished)
    MlflowClient(tracking_uri=uri, registry_uri=uri)
    unfinished.replace(database)


def follow_move_of(uri: str, outputs: Path) -> None:
    """Bring an embedded store up to date that was moved, for a server that opens it; one that is read-only stays."""
    path = sqlite_path(uri)
    if path is not None and path.is_file():
        with contextlib.suppress(OSError, sqlite3.OperationalError), _locked(path):
            follow_move(path, outputs)


def without_credentials(uri: str) -> str:
    """Return `uri` without the user name and password it may hold."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _experiment_id(client: Any, name: str, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    if known is not None and known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    if known is not None:
        return known.experiment_id
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException:
        known = client.get_experiment_by_name(name)  # another run was faster
        if known is None:
            raise
        return known.experiment_id


def _forget_places() -> None:
    """Have MLflow ask its store anew: it remembers for the whole process where a run had its artifacts."""
    from mlflow.tracking._tracking_service import utils

    getattr(utils, "_artifact_repos_cache", {}).clear()


def _locked(database: Path) -> contextlib.AbstractContextManager[bool]:
    database.parent.mkdir(parents=True, exist_ok=True)
    return lock(database.with_name(f"{database.name}.lock"))
