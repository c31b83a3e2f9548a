"""Finds the photographs and films that a user names (files and folders) and says where their outputs go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oldrestore.data.encode import output_ending
from oldrestore.data.photo import PHOTO_EXTENSIONS
from oldrestore.errors import UserError
from oldrestore.restoration.film import FILM_EXTENSIONS, film_ending

COLORIZED, RESTORED, PANEL = "-colorized", "-restored", "-panel"
# Files that systems and this program put into folders, in lower case.
BYSTANDERS = frozenset({"thumbs.db", "desktop.ini", "colorize.json", "restore.json"})


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
    everything: bool = False,
    never: Iterable[Path] = (),
) -> list[Task]:
    """List photographs and films, and the files that will come of them.

    A folder's photographs are found at any depth, and keep their subfolder in the output folder. An output is
    ``NAME-colorized.png`` (``.jpg`` for JPEG files, ``.mp4`` or ``.mkv`` for films), with several networks
    ``NAME-colorized-LABEL.png``, and the panel ``NAME-panel.jpg``; photographs that share a NAME there get their ending
    added, then a number.

    Parameters
    ----------
    photos : sequence of Path
        Files, whatever their ending, and folders.
    folder : Path
        Of the outputs. What an earlier call has put there is not taken for photographs.
    labels : sequence of str
        Of the networks.
    overwrite : bool
        Whether outputs may replace files. The photographs themselves are never replaced.
    kind : str
        What stands after NAME in an output.
    parts : mapping of str to str, optional
        Further outputs of each photograph: ``{"mask": ".png"}`` gives ``NAME-mask.png``; an empty ending is the
        result's.
    everything : bool
        Whether files of a folder that are neither photographs nor films by their ending are listed too, refused.
    never : iterable of Path
        Files that are inputs of another kind: neither photographs nor to be overwritten.

    Raises
    ------
    UserError
        When something named is not there, no photograph is found, or an output exists.
    """
    ours = (COLORIZED, RESTORED, PANEL, *(f"-{part}" for part in parts or {}))
    others = {path.resolve() for path in never}
    found: dict[tuple[Path, Path], str] = {}
    for named in photos:
        for path, place, refused in _found(named, folder, everything, ours):
            if path.resolve() not in others:
                # Named by itself, a file is tried whatever its ending.
                found[path, place] = refused and found.get((path, place), refused)
    if not found:
        raise UserError(f"there is no photograph in {', '.join(map(str, photos))}")
    tasks, taken = [], set()
    for (photo, place), refused in found.items():
        name = next(name for name in _names(photo) if (place, name) not in taken)
        taken.add((place, name))
        kinds = [kind] if len(labels) == 1 else [f"{kind}-{label}" for label in labels]
        is_film = photo.suffix.lower() in FILM_EXTENSIONS
        base, ending = folder / place, film_ending(photo) if is_film else output_ending(photo)
        tasks.append(
            Task(
                photo,
                tuple(base / f"{name}{kind}{ending}" for kind in kinds),
                base / f"{name}{PANEL}.jpg",
                {}
                if is_film
                else {part: base / f"{name}-{part}{end or ending}" for part, end in (parts or {}).items()},
                is_film,
                refused,
            )
        )
    inputs = others | {task.photo.resolve() for task in tasks}
    for task in tasks:
        for path in task.written:
            if path.resolve() in inputs:
                raise UserError(f"'{path}' is one of the photographs and would be overwritten: name another folder")
    existing = [path for task in tasks for path in task.written if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more outputs exist" if len(existing) > 1 else " exists"
        raise UserError(f"'{existing[0]}'{more} already: name another folder, or add --overwrite to replace")
    return tasks


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
        reason = (error.strerror or type(error).__name__).lower()
        raise UserError(f"outputs cannot be written to '{folder}' ({reason}): name another folder") from None


def _found(named: Path, folder: Path, everything: bool, ours: Sequence[str]) -> Iterator[tuple[Path, Path, str]]:
    """Files, each with the subfolder of the outputs that it belongs into, and why it is none of ours."""
    if named.is_dir():
        for path in sorted(named.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(named).parts)
            if hidden or not path.is_file() or _is_ours(path, folder, ours):
                continue
            if path.suffix.lower() in PHOTO_EXTENSIONS | FILM_EXTENSIONS:
                yield path, path.parent.relative_to(named), ""
            elif everything and path.name.lower() not in BYSTANDERS:
                what = f"'{path.suffix}'" if path.suffix else "no ending"
                yield path, path.parent.relative_to(named), f"neither a photograph nor a film by its name ({what})"
    elif named.exists():
        yield named, Path(), ""
    else:
        raise UserError(f"there is no photograph or folder '{named}'")


def _is_ours(path: Path, folder: Path, ours: Sequence[str]) -> bool:
    named_so = any(mark in path.stem if mark in (COLORIZED, RESTORED) else path.stem.endswith(mark) for mark in ours)
    return named_so and path.resolve().is_relative_to(folder.resolve())


def _names(photo: Path) -> Iterator[str]:
    yield photo.stem
    named = f"{photo.stem}-{photo.suffix[1:].lower()}"
    yield named
    number = 2
    while True:
        yield f"{named}-{number}"
        number += 1
