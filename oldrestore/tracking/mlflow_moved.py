"""Corrects the locations of artifacts in an embedded MLflow store that was moved or copied.

MLflow stores the absolute location of artifacts for every experiment, run and model. The store of an outputs folder
keeps them beside it, so after a move ``OLD/mlartifacts/...`` is ``NEW/mlartifacts/...``.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
RUN_FOLDER_TAG = "oldrestore.run_folder"
WAIT = 60.0  # seconds for another process to release the file
# Where MLflow keeps locations of artifacts; some versions lack some.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# Up to the last folder of that name, as a URI or as a plain path, which MLflow takes as well.
_UNDER_ARTIFACTS = re.compile(rf"(?P<root>(?:file://)?/.*/{ARTIFACTS})(?:/.*)?", re.DOTALL)


def artifact_location(outputs: Path) -> str:
    """Return where the embedded store keeps artifacts, as a URI."""
    return (Path(outputs).absolute() / ARTIFACTS).as_uri()


def local_path(location: str) -> Path | None:
    """Return the folder of a location of artifacts; None if it is not on this machine."""
    if location.startswith("file:///"):
        return Path(unquote(location.removeprefix("file://"), errors="surrogateescape"))
    return None if re.match(r"\w[\w+.-]*:", location) else Path(location)


def follow_move(database: Path, outputs: Path) -> list[Path]:
    """Rewrite the locations of artifacts if a store was moved here, and return the outputs folders that it was in.

    Only ``outputs/mlflow.db`` keeps its artifacts beside it; any other `database` is left alone, and so are the
    locations in an outputs folder that still has its runs and merely shares this store. The caller holds the store's
    lock; all is one transaction.
    """
    outputs = Path(outputs).absolute()
    if not database.is_file() or database.absolute() != outputs / DATABASE:
        return []
    here = artifact_location(outputs)
    with closing(sqlite3.connect(database, timeout=WAIT, isolation_level=None)) as connection:
        columns = [
            (table, column)
            for table, column in COLUMNS
            if any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))
        ]
        if not _others(connection, columns, here):
            return []
        connection.execute("BEGIN IMMEDIATE")  # if the connection closes before COMMIT, nothing changes
        left = [root for root in _others(connection, columns, here) if _is_left(connection, root, outputs)]
        for root in left:
            for table, column in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (here, len(root) + 1, root, len(root) + 1, f"{root}/"),
                )
        connection.execute("COMMIT")
    return [local_path(root).parent for root in left]


def _others(connection: sqlite3.Connection, columns: list[tuple[str, str]], here: str) -> list[str]:
    """Return the stored folders of artifacts that are not the one beside the store."""
    written: dict[str, None] = {}
    for table, column in columns:
        for (place,) in connection.execute(
            f"SELECT DISTINCT {column} FROM {table} WHERE substr({column}, 1, ?) != ?", (len(here) + 1, f"{here}/")
        ):
            under = _UNDER_ARTIFACTS.fullmatch(place or "")
            if under and under["root"] != here:
                written[under["root"]] = None
    return list(written)


def _is_left(connection: sqlite3.Connection, root: str, outputs: Path) -> bool:
    """Say whether the store was moved or copied from a folder of artifacts, together with its runs.

    Other outputs folders may share the store, each with its own artifacts: their runs are there and not here.
    """
    old, new = local_path(root), outputs / ARTIFACTS
    if old.exists() and new.exists() and old.samefile(new):
        return False  # one folder by two names
    runs = connection.execute(
        "SELECT tags.value, runs.artifact_uri FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid "
        "WHERE tags.key = ? AND substr(runs.artifact_uri, 1, ?) = ?",
        (RUN_FOLDER_TAG, len(root) + 1, f"{root}/"),
    )
    any_here = any_there = False
    for folder, uri in runs:
        run = Path(*Path(folder).parts[-2:])  # EXPERIMENT/RUN_ID
        here, there = (outputs / run).is_dir(), (old.parent / run).is_dir()
        if here and (there or (new / local_path(uri).relative_to(old)).is_dir()):
            return True
        any_here, any_there = any_here or here, any_there or there
    return not any_there and (any_here or not old.is_dir())
