"""Finds the photographs and films that a user names (files and folders), and names their outputs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Literal

from oldrestore.data.codecs.encode import output_ending
from oldrestore.data.sources.photo import printable
from oldrestore.data.sources.walk import walk_folder
from oldrestore.errors import UserError, in_words
from oldrestore.restoration.film import FILM_EXTENSIONS, film_ending

Existing = Literal["refuse", "replace", "skip"]
"""What happens to a photograph whose outputs exist: it fails, they are replaced, or it is skipped."""

COLORIZED, RESTORED, PANEL = "-colorized", "-restored", "-panel"
# Further outputs of a photograph, and their endings; an empty one stands for that of the result.
PARTS = {"mask": ".png", "filled": "", "evened": ""}
# Files that systems and this program put into folders, in lower case.
BYSTANDERS = frozenset({"thumbs.db", "desktop.ini", "colorize.json", "restore.json"})
LONGEST_NAME = 255  # bytes, on nearly every file system
LONGEST_REASON = 400
WHILE_WRITTEN = 20  # bytes that a file name is longer while it is written


@dataclass(frozen=True)
class Task:
    """A photograph or film and its outputs."""

    photo: Path
    outputs: tuple[Path, ...]  # the result of each network
    panel: Path
    parts: Mapping[str, Path] = field(default_factory=dict)  # further outputs of a photograph; see `PARTS`
    is_film: bool = False
    refused: str = ""  # why it cannot be made, if its name or kind says so

    @property
    def written(self) -> tuple[Path, ...]:
        """Every file that results from it."""
        return () if self.refused else (*self.outputs, *self.parts.values(), self.panel)


@dataclass(frozen=True)
class InputFile:
    """A file that a user names, or one of a folder."""

    photo: Path
    place: Path  # subfolder of the outputs that it belongs to
    refused: str = ""  # why it cannot be a photograph or film, if its name or kind says so


def find_photographs(photos: Sequence[Path], folder: Path, never: Iterable[Path] = ()) -> list[InputFile]:
    """List photographs and films: files, and those of folders at any depth.

    Files of folders that cannot be photographs (by their ending; broken links, pipes, folders without permission) are
    listed as refused. Inputs of another kind, such as masks, and outputs of earlier calls in `folder` are left out. A
    name that does not exist, or no photograph at all, is a `UserError`.
    """
    others = {_real(path) for path in never}
    found: dict[tuple[Path, Path], str] = {}
    for named in photos:
        for path, place, refused in _found(named, folder):
            if _real(path) not in others:
                # A file named by itself is tried whatever its ending.
                found[path, place] = refused and found.get((path, place), refused)
    if not found:
        raise UserError(f"there is no photograph in {', '.join(map(str, photos))}")
    return [InputFile(photo, place, refused) for (photo, place), refused in found.items()]


def name_outputs(
    found: Sequence[InputFile],
    folder: Path,
    labels: Sequence[str],
    overwrite: bool,
    mark: str = COLORIZED,
    parts: Mapping[str, str] | None = None,
    never: Iterable[Path] = (),
) -> list[Task]:
    """Name the outputs of photographs and films, in the subfolders where these were found.

    A result is ``NAME-colorized.png`` (``.jpg`` for JPEG files, ``.mp4`` or ``.mkv`` for films; the mark is
    ``-colorized``), with several networks ``NAME-colorized-LABEL.png``, and the panel ``NAME-panel.jpg``. If
    photographs share a NAME, their ending is added to it, then a number. A NAME too long for the disk is cut. Outputs
    that exist are a `UserError` unless `overwrite` allows them; inputs, `never` among them, are never replaced. `parts`
    are further outputs of each photograph: ``{"mask": ".png"}`` is ``NAME-mask.png`` (see `PARTS`).
    """
    marks = [mark] if len(labels) == 1 else [f"{mark}-{label}" for label in labels]
    tasks, taken = [], set()
    for one in found:
        photo, place, base = one.photo, one.place, folder / one.place
        if one.refused:
            tasks.append(Task(photo, (), base, refused=one.refused))
            continue
        is_film = photo.suffix.lower() in FILM_EXTENSIONS
        ending = film_ending(photo) if is_film else output_ending(photo)
        results = [f"{mark}{ending}" for mark in marks]
        further = {part: f"-{part}{end or ending}" for part, end in (parts or {}).items()}
        panel = f"{PANEL}.jpg"
        longest = max(len(os.fsencode(end)) for end in (panel, *results, *further.values()))
        name = next(n for n in _names(photo, LONGEST_NAME - WHILE_WRITTEN - longest) if (place, n) not in taken)
        taken.add((place, name))
        further = {} if is_film else {part: base / f"{name}{end}" for part, end in further.items()}
        outputs = tuple(base / f"{name}{end}" for end in results)
        tasks.append(Task(photo, outputs, base / f"{name}{panel}", further, is_film))
    inputs = {_real(path) for path in (*never, *(task.photo for task in tasks))}
    for task in tasks:
        for path in task.written:
            if _real(path) in inputs:
                raise UserError(f"'{path}' is one of the photographs and would be overwritten: name another folder")
    existing = [path for task in tasks for path in task.written if path.exists()]
    if existing and not overwrite:
        more = len(existing) - 1
        exist = f" and {more} more output{'s' if more > 1 else ''} exist" if more else " exists"
        raise UserError(
            f"'{existing[0]}'{exist} already: name another folder, or add --skip-existing to make the others only, "
            "or --overwrite to replace"
        )
    return tasks


def require_folder(folder: Path) -> None:
    """Create the folder of the outputs; a `UserError` says if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"outputs cannot be written to '{folder}' ({in_words(error)}): name another folder") from None


def reason_of(error: Exception) -> str:
    """Say in one line why a photograph could not be made."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, str):
        return reason
    if isinstance(error, OSError):
        where = f": '{printable(error.filename)}'" if isinstance(error.filename, str) else ""
        return f"{in_words(error)}{where}"
    if isinstance(error, MemoryError):
        return "too large for memory"
    text = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
    return text if isinstance(error, ValueError) else f"it could not be made ({text})"


def _found(named: Path, folder: Path) -> Iterator[tuple[Path, Path, str]]:
    """Yield files with their subfolder of the outputs and, if refused, the reason."""
    if named.is_dir():
        try:
            entries = sorted(walk_folder(named), key=lambda entry: entry.path)
        except OSError as error:
            raise UserError(f"the folder '{named}' cannot be listed ({in_words(error)})") from None
        for entry in entries:
            path, refused = entry.path, entry.problem
            if _is_output(path, folder) or path.name.lower() in BYSTANDERS:
                continue
            if not refused and not entry.is_photograph_by_name and path.suffix.lower() not in FILM_EXTENSIONS:
                what = f"'{path.suffix}'" if path.suffix else "no ending"
                refused = f"neither a photograph nor a film by its name ({what})"
            yield path, path.parent.relative_to(named), refused
    elif named.exists():
        yield named, Path(), ""
    else:
        raise UserError(f"there is no photograph or folder '{named}'")


def _is_output(path: Path, folder: Path) -> bool:
    ends = (PANEL, *(f"-{part}" for part in PARTS))
    named_so = COLORIZED in path.stem or RESTORED in path.stem or path.stem.endswith(ends)
    return named_so and _real(path).is_relative_to(_real(folder))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # a loop of links is followed as far as possible


def _names(photo: Path, room: int) -> Iterator[str]:
    """Yield names for the outputs of a photograph, of at most `room` bytes."""
    ending = f"-{photo.suffix[1:].lower()}"
    for end in chain(("", ending), (f"{ending}-{number}" for number in count(2))):
        name = photo.stem
        while len(os.fsencode(name + end)) > room and name:
            name = name[:-1]
        yield name + end
