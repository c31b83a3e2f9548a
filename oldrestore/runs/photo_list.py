"""Finds the photographs that a user names (files and folders) and says where their outputs go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oldrestore.data.encode import output_ending
from oldrestore.data.photo import PHOTO_EXTENSIONS
from oldrestore.errors import UserError

COLORIZED, PANEL = "-colorized", "-panel"


@dataclass(frozen=True)
class Task:
    """A photograph and its outputs.

    Attributes
    ----------
    photo : Path
    outputs : tuple of Path
        A coloured photograph for each network.
    panel : Path
    """

    photo: Path
    outputs: tuple[Path, ...]
    panel: Path

    @property
    def written(self) -> tuple[Path, ...]:
        """Every file that comes of it."""
        return (*self.outputs, self.panel)


def plan(photos: Sequence[Path], folder: Path, labels: Sequence[str], overwrite: bool) -> list[Task]:
    """List photographs, and the files that will come of them.

    A folder's photographs are found at any depth, and keep their subfolder in the output folder. An output is
    ``NAME-colorized.png`` (``.jpg`` for JPEG files), with several networks ``NAME-colorized-LABEL.png``, and the panel
    ``NAME-panel.jpg``; photographs that share a NAME there get their ending added, then a number.

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

    Raises
    ------
    UserError
        When something named is not there, no photograph is found, or an output exists.
    """
    found = dict.fromkeys(item for named in photos for item in _found(named, folder))
    if not found:
        raise UserError(f"there is no photograph in {', '.join(map(str, photos))}")
    tasks, taken = [], set()
    for photo, place in found:
        name = next(name for name in _names(photo) if (place, name) not in taken)
        taken.add((place, name))
        kinds = [COLORIZED] if len(labels) == 1 else [f"{COLORIZED}-{label}" for label in labels]
        base, ending = folder / place, output_ending(photo)
        tasks.append(Task(photo, tuple(base / f"{name}{kind}{ending}" for kind in kinds), base / f"{name}{PANEL}.jpg"))
    inputs = {task.photo.resolve() for task in tasks}
    for task in tasks:
        for path in task.written:
            if path.resolve() in inputs:
                raise UserError(f"'{path}' is one of the photographs and would be overwritten: name another folder")
    existing = [path for task in tasks for path in task.written if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more outputs exist" if len(existing) > 1 else " exists"
        raise UserError(f"'{existing[0]}'{more} already: name another folder, or add --overwrite to replace")
    return tasks


def _found(named: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Photographs, each with the subfolder of the outputs that it belongs into."""
    if named.is_dir():
        for path in sorted(named.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(named).parts)
            if path.suffix.lower() in PHOTO_EXTENSIONS and path.is_file() and not hidden and not _ours(path, folder):
                yield path, path.parent.relative_to(named)
    elif named.exists():
        yield named, Path()
    else:
        raise UserError(f"there is no photograph or folder '{named}'")


def _ours(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve()) and (COLORIZED in path.stem or path.stem.endswith(PANEL))


def _names(photo: Path) -> Iterator[str]:
    yield photo.stem
    named = f"{photo.stem}-{photo.suffix[1:].lower()}"
    yield named
    number = 2
    while True:
        yield f"{named}-{number}"
        number += 1
