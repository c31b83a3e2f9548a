"""Tells for ``--skip-existing`` whether results that exist are those of a photograph as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oldrestore.data.sources.photo import printable
from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.photographs.output_names import Task
from oldrestore.photographs.photo_list import real


def is_made(task: Task, sha256: str, folder: Path, known: Mapping[str, Any]) -> bool:
    """Say whether the existing results are of a photograph with this hash, or to be made anew: of its former content.

    Results that are recorded as another photograph's, or of which a file would be lost, are a `UserError`.
    """
    for path in task.outputs:
        entry = known.get(path.relative_to(folder).as_posix())
        made_of = entry.get("photograph") if isinstance(entry, dict) else None
        if not isinstance(made_of, str) or entry.get("photograph_sha256") == sha256:
            continue
        has_hash = "photograph_sha256" in entry  # records of older versions have none
        same = real(Path(made_of)) == real(task.photo) if has_hash else Path(made_of).name == task.photo.name
        if not same:
            raise UserError(f"'{printable(path)}' exists already and was made of '{printable(Path(made_of))}'")
        if has_hash:
            _require_unchanged(task, entry, folder)
            return False
    return True


def _require_unchanged(task: Task, entry: Mapping[str, Any], folder: Path) -> None:
    """Refuse to replace what somebody has changed since it was recorded."""
    files = entry["files"] if isinstance(entry.get("files"), dict) else {}
    for path in task.written:
        if path.exists() and files.get(path.relative_to(folder).as_posix()) != sha256_of(path):
            raise UserError(
                f"'{printable(task.photo)}' is another picture than before, but '{printable(path)}' was changed "
                "since it was made: --overwrite replaces it"
            )
