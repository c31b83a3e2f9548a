"""What a person writes about a run: tags, a note, and whether it is archived; ``notes.json`` of the run folder.

Neither identity nor reproduction reads it, and no result depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.files import lock, write_atomically
from oldrestore.records.parsing import read_json

FILE = "notes.json"
LONGEST_TAG, LONGEST_NOTE = 60, 5000  # characters; MLflow takes tags of up to 5000


@dataclass(frozen=True)
class Notes:
    """What is noted of one run."""

    tags: tuple[str, ...] = ()  # sorted
    note: str | None = None
    archived: bool = False

    def with_tags(self, tags: Iterable[str]) -> Notes:
        """Return a copy that has these tags too."""
        return Notes(tuple(sorted({*self.tags, *tags})), self.note, self.archived)

    def without_tags(self, tags: Iterable[str]) -> Notes:
        """Return a copy without these tags."""
        return Notes(tuple(tag for tag in self.tags if tag not in set(tags)), self.note, self.archived)


def read_notes(folder: Path) -> Notes:
    """Return the notes of a run; `UserError` if their file is damaged."""
    path = folder / FILE
    if not path.is_file():
        return Notes()
    content = read_json(path)
    tags, note, archived = content.get("tags", []), content.get("note"), content.get("archived", False)
    texts = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags) and isinstance(note, str | None)
    if not texts or not isinstance(archived, bool):
        raise UserError(f"{path} is damaged: it holds other things than tags, a note and archived")
    return Notes(tuple(sorted(set(tags))), note, archived)


def change_notes(folder: Path, change: Callable[[Notes], Notes]) -> tuple[Notes, Notes]:
    """Change the notes of a run, while no other process does; returns them as they were and as they are then."""
    with lock(folder.parent):  # the run's own lock belongs to the process that trains it
        if not folder.is_dir():
            raise UserError(f"the run '{folder.name}' is gone")
        before = read_notes(folder)
        after = change(before)
        if after == Notes():
            (folder / FILE).unlink(missing_ok=True)
        else:
            write_atomically(folder / FILE, json.dumps(asdict(after), indent=2, ensure_ascii=False) + "\n")
    return before, after


def check_tag(tag: str) -> str:
    """Return a tag; `UserError` if it is none."""
    if not 0 < len(tag) <= LONGEST_TAG or not tag.isprintable() or tag != tag.strip() or set(tag) & set(",=*"):
        right = f"up to {LONGEST_TAG} characters without a comma, '=' or '*'"
        raise UserError(f"{tag!r} cannot be a tag: write {right}")
    return tag


def check_note(text: str) -> str | None:
    """Return a note, None for an empty one; `UserError` if it is too long."""
    if len(text) > LONGEST_NOTE:
        raise UserError(f"the note has {len(text)} characters, and {LONGEST_NOTE} are the most")
    return text.strip() or None
