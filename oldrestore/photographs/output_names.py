"""Names the outputs of photographs and films, each after its own photograph alone."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from oldrestore.data.codecs.encode import JPEG_ENDINGS, output_ending
from oldrestore.data.sources.photo import printable
from oldrestore.errors import UserError
from oldrestore.photographs.output_files import COLORIZED, PANEL
from oldrestore.photographs.photo_list import InputFile, real
from oldrestore.records.design_names import file_names
from oldrestore.restoration.film import film_ending

TIFF_ENDINGS = frozenset({".tif", ".tiff"})
LONGEST_NAME = 255  # bytes, on nearly every file system
LONGEST_ENDING = 16  # bytes; what is longer is part of the name
WHILE_WRITTEN = 20  # bytes that a file name is longer while it is written


@dataclass(frozen=True)
class Task:
    """A photograph, which may be a page of its file, or a film; and its outputs."""

    photo: Path
    outputs: tuple[Path, ...]  # the result of each network
    panel: Path
    parts: Mapping[str, Path] = field(default_factory=dict)  # further outputs of a photograph; see `PARTS`
    is_film: bool = False
    refused: str = ""  # why it cannot be made, if its name or kind says so
    was_named: bool = False  # see `InputFile`
    page: int = 0
    of_page: Callable[[int], Task] | None = None  # the same for another page
    mask: Path = Path()  # name of its mask in a folder of masks, but for the ending
    is_alone: bool = True  # whether no other photograph of the call has its name

    @property
    def written(self) -> tuple[Path, ...]:
        """Every file that results from it."""
        return () if self.refused else (*self.outputs, *self.parts.values(), self.panel)


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
    ``-colorized``), with several networks ``NAME-colorized-LABEL.png`` (the label spelled as `file_names` does), and
    the panel ``NAME-panel.jpg``. An ending
    other than the photograph's own follows it: that of ``a.tif`` is ``a-colorized.tif.png``. So a name depends on that
    of its photograph alone, and no two photographs share one. Later pages are ``NAME-p2`` and so on. A NAME too long
    for the disk is cut and gets a hash. Outputs that exist are a `UserError` unless `overwrite` allows them; inputs,
    `never` among them, are never replaced. `parts` are further outputs of each photograph: ``{"mask": ".png"}`` is
    ``NAME-mask.png`` (see `PARTS`).
    """
    marks = [mark] if len(labels) == 1 else [f"{mark}-{label}" for label in file_names(labels)]
    same_name = Counter(one.photo.stem for one in found)
    tasks: list[Task] = []
    taken: dict[Path, Path] = {}
    for one in found:
        if one.refused:
            task = Task(one.photo, (), folder, refused=one.refused)
        else:
            task = _task(one, folder, marks, parts or {}, same_name[one.photo.stem] == 1, 0)
        other = next((taken[path] for path in task.written if path in taken), None)
        if other is not None:
            refused = f"its outputs would have the names of those of '{printable(other)}': rename one of them"
            task = Task(one.photo, (), folder, refused=refused)
        taken.update(dict.fromkeys(task.written, one.photo))
        tasks.append(task)
    existing = [path for path in taken if path.exists()]
    inputs = {real(path) for path in (*never, *(task.photo for task in tasks))} if existing else set()
    for path in existing:
        if real(path) in inputs:
            raise UserError(f"'{path}' is one of the photographs and would be overwritten: name another folder")
    if existing and not overwrite:
        more = len(existing) - 1
        exist = f" and {more} more output{'s' if more > 1 else ''} exist" if more else " exists"
        raise UserError(
            f"'{existing[0]}'{exist} already: name another folder, or add --skip-existing to make the others only, "
            "or --overwrite to replace"
        )
    return tasks


def _task(
    one: InputFile, folder: Path, marks: Sequence[str], parts: Mapping[str, str], is_alone: bool, page: int
) -> Task:
    photo, base = one.photo, folder / one.place
    ending = film_ending(photo) if one.is_film else output_ending(photo)
    panel = f"{PANEL}{_ending(photo, '.jpg')}"
    results = [f"{mark}{_ending(photo, ending)}" for mark in marks]
    further = {} if one.is_film else {part: f"-{part}{_ending(photo, end or ending)}" for part, end in parts.items()}
    longest = max(len(os.fsencode(end)) for end in (panel, *results, *further.values()))
    name = _name(photo, page, LONGEST_NAME - WHILE_WRITTEN - longest)
    return Task(
        photo,
        tuple(base / f"{name}{end}" for end in results),
        base / f"{name}{panel}",
        {part: base / f"{name}{end}" for part, end in further.items()},
        one.is_film,
        was_named=one.was_named,
        page=page,
        of_page=partial(_task, one, folder, marks, parts, is_alone),
        mask=one.place / (photo.name if not page else f"{photo.stem}-p{page + 1}{photo.suffix}"),
        is_alone=is_alone,
    )


def _name(photo: Path, page: int, room: int) -> str:
    """Return NAME of at most `room` bytes."""
    name = _stem_and_ending(photo)[0]
    # A file that is called as if it were a page says which of its own pages this is, so that the two never meet.
    called_so = photo.suffix.lower() in TIFF_ENDINGS and re.search(r"-p\d+$", name)
    number = f"-p{page + 1}" if page or called_so else ""
    if len(os.fsencode(name + number)) > room:
        number = f"-{hashlib.sha256(os.fsencode(photo.name)).hexdigest()[:8]}{number}"
        while len(os.fsencode(name + number)) > room:
            name = name[:-1]
    return name + number


def _ending(photo: Path, wanted: str) -> str:
    """Return the ending of an output: the photograph's own as it is spelled if that is as `wanted`, else both."""
    own = _stem_and_ending(photo)[1] or ".none"
    alike = JPEG_ENDINGS if wanted in JPEG_ENDINGS else {wanted}
    return own if own.lower() in alike else own + wanted


def _stem_and_ending(photo: Path) -> tuple[str, str]:
    long = len(os.fsencode(photo.suffix)) > LONGEST_ENDING
    return (photo.name, "") if long else (photo.stem, photo.suffix)
