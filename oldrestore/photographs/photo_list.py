"""Finds the photographs and films that a user names (files and folders) and says where their outputs go."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from oldrestore.data.encode import output_ending
from oldrestore.data.photo import printable
from oldrestore.data.walk import walk_folder
from oldrestore.errors import UserError, in_words
from oldrestore.restoration.film import FILM_EXTENSIONS, film_ending

Existing = Literal["refuse", "replace", "skip"]
"""What becomes of a photograph whose outputs exist: it fails, they are replaced, or it is left out."""

COLORIZED, RESTORED, PANEL = "-colorized", "-restored", "-panel"
# Files that systems and this program put into folders, in lower case.
BYSTANDERS = frozenset({"thumbs.db", "desktop.ini", "colorize.json", "restore.json"})
LONGEST_NAME = 255  # bytes, of nearly every file system
LONGEST_REASON = 400
WHILE_WRITTEN = 20  # bytes that a file's name has more until it is whole


@dataclass(frozen=True)
class Task:
    """A photograph or film and its outputs.

    Attributes
    ----------
    photo : Path
    outputs : tuple of Path
        The result of each network.
    panel : Path
    parts : mapping of str to Path
        Further outputs of a photograph, by what they are.
    is_film : bool
    refused : str
        Why nothing can come of it, where its name says so already; empty else.
    """

    photo: Path
    outputs: tuple[Path, ...]
    panel: Path
    parts: Mapping[str, Path] = field(default_factory=dict)
    is_film: bool = False
    refused: str = ""

    @property
    def written(self) -> tuple[Path, ...]:
        """Every file that comes of it."""
        return () if self.refused else (*self.outputs, *self.parts.values(), self.panel)


def plan(
    photos: Sequence[Path],
    folder: Path,
    labels: Sequence[str],
    overwrite: bool,
    kind: str = COLORIZED,
    parts: Mapping[str, str] | None = None,
    never: Iterable[Path] = (),
) -> list[Task]:
    """List photographs and films, and the files that will come of them.

    A folder's photographs are found at any depth, and keep their subfolder in the output folder. What is there and
    cannot be one (by its ending; links that lead nowhere, pipes, folders that may not be read) is listed as
    refused. An output is
    ``NAME-colorized.png`` (``.jpg`` for JPEG files, ``.mp4`` or ``.mkv`` for films), with several networks
    ``NAME-colorized-LABEL.png``, and the panel ``NAME-panel.jpg``; photographs that share a NAME there get their ending
    added, then a number; a NAME that would be too long for the disk is cut.

    Parameters
    ----------
    photos : sequence of Path
        Files, whatever their ending, and folders.
    folder : Path
        Of the outputs. What an earlier call has put there is not taken for photographs.
    labels : sequence of str
        Of the networks.
    overwrite : bool
        Whether outputs may exist. The photographs themselves are never replaced.
    kind : str
        What stands after NAME in an output.
    parts : mapping of str to str, optional
        Further outputs of each photograph: ``{"mask": ".png"}`` gives ``NAME-mask.png``; an empty ending is the
        result's.
    never : iterable of Path
        Files that are inputs of another kind: neither photographs nor to be overwritten.

    Raises
    ------
    UserError
        When something named is not there, no photograph is found, or an output exists.
    """
    ours = (COLORIZED, RESTORED, PANEL, *(f"-{part}" for part in parts or {}))
    others = {_real(path) for path in never}
    found: dict[tuple[Path, Path], str] = {}
    for named in photos:
        for path, place, refused in _found(named, folder, ours):
            if _real(path) not in others:
                # Named by itself, a file is tried whatever its ending.
                found[path, place] = refused and found.get((path, place), refused)
    if not found:
        raise UserError(f"there is no photograph in {', '.join(map(str, photos))}")
    tasks, taken = [], set()
    for (photo, place), refused in found.items():
        if refused:
            tasks.append(Task(photo, (), folder / place, refused=refused))
            continue
        kinds = [kind] if len(labels) == 1 else [f"{kind}-{label}" for label in labels]
        is_film = photo.suffix.lower() in FILM_EXTENSIONS
        base, ending = folder / place, film_ending(photo) if is_film else output_ending(photo)
        ends = [f"{PANEL}.jpg", *(f"{kind}{ending}" for kind in kinds)]
        ends += [f"-{part}{end or ending}" for part, end in (parts or {}).items()]
        room = LONGEST_NAME - WHILE_WRITTEN - max(len(os.fsencode(end)) for end in ends)
        name = next(name for name in _names(photo, room) if (place, name) not in taken)
        taken.add((place, name))
        tasks.append(
            Task(
                photo,
                tuple(base / f"{name}{kind}{ending}" for kind in kinds),
                base / f"{name}{PANEL}.jpg",
                {}
                if is_film
                else {part: base / f"{name}-{part}{end or ending}" for part, end in (parts or {}).items()},
                is_film,
            )
        )
    inputs = others | {_real(task.photo) for task in tasks}
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


def existing_of(overwrite: bool, skip_existing: bool) -> Existing:
    """Tell from the flags what becomes of outputs that exist.

    Raises
    ------
    UserError
        When both are given.
    """
    if overwrite and skip_existing:
        raise UserError("--overwrite and --skip-existing contradict each other: leave one of them out")
    return "replace" if overwrite else "skip" if skip_existing else "refuse"


def require_folder(folder: Path) -> None:
    """Make the folder of the outputs.

    Raises
    ------
    UserError
        When it cannot be made or written into.
    """
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


def _found(named: Path, folder: Path, ours: Sequence[str]) -> Iterator[tuple[Path, Path, str]]:
    """Files, each with the subfolder of the outputs that it belongs into, and why it is none of ours."""
    if named.is_dir():
        try:
            entries = sorted(walk_folder(named), key=lambda entry: entry.path)
        except OSError as error:
            raise UserError(f"the folder '{named}' cannot be listed ({in_words(error)})") from None
        for entry in entries:
            path, refused = entry.path, entry.problem
            if _is_ours(path, folder, ours) or path.name.lower() in BYSTANDERS:
                continue
            if not refused and not entry.is_photograph_by_name and path.suffix.lower() not in FILM_EXTENSIONS:
                what = f"'{path.suffix}'" if path.suffix else "no ending"
                refused = f"neither a photograph nor a film by its name ({what})"
            yield path, path.parent.relative_to(named), refused
    elif named.exists():
        yield named, Path(), ""
    else:
        raise UserError(f"there is no photograph or folder '{named}'")


def _is_ours(path: Path, folder: Path, ours: Sequence[str]) -> bool:
    named_so = any(mark in path.stem if mark in (COLORIZED, RESTORED) else path.stem.endswith(mark) for mark in ours)
    return named_so and _real(path).is_relative_to(_real(folder))


def _real(path: Path) -> Path:
    """The file itself, links followed; of a loop of links, as far as it goes."""
    return Path(os.path.realpath(path))


def _names(photo: Path, room: int) -> Iterator[str]:
    """Names for the outputs of a photograph, of at most `room` bytes."""
    yield _cut(photo.stem, room)
    ending = f"-{photo.suffix[1:].lower()}"
    yield _cut(photo.stem, room, ending)
    number = 2
    while True:
        yield _cut(photo.stem, room, f"{ending}-{number}")
        number += 1


def _cut(name: str, room: int, end: str = "") -> str:
    while len(os.fsencode(name + end)) > room and name:
        name = name[:-1]
    return name + end
