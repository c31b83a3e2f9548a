"""Finds the photographs and films that a user names: files, and those of folders, told from other files by content."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from oldrestore.data.codecs.decode import is_photograph
from oldrestore.data.sources.photo import PHOTO_EXTENSIONS, printable
from oldrestore.data.sources.walk import walk_folder
from oldrestore.errors import UserError, in_words
from oldrestore.photographs.output_files import RECORDS, recorded_results
from oldrestore.restoration.film import FILM_EXTENSIONS, is_film

# What promises a photograph: a file of such a name that cannot be read is reported, not passed over.
PHOTOGRAPH_ENDINGS = PHOTO_EXTENSIONS | frozenset(
    {".jpe", ".jfif", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif", ".heic", ".heif", ".dng"}
)
RESULTS = "results of earlier calls"  # a kind of what is passed over
HEAD_BYTES = 256
# How files begin that FFmpeg is asked about: MP4 and QuickTime, Matroska, AVI, MPEG streams, ASF, Flash, Ogg,
# DV, MXF, RealMedia, transport streams of 188 and 192 bytes.
FILM_HEADS = re.compile(
    rb".{4}(ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF.{4}AVI |\0\0\1[\xba\xb3]|0&\xb2u|FLV|OggS|\x1f\x07\0|\x06\x0e\+4"
    rb"|\.RMF|G.{187}G|.{4}G.{191}G",
    re.DOTALL,
)


@dataclass(frozen=True)
class InputFile:
    """A file that a user names, or one of a folder."""

    photo: Path
    place: Path  # subfolder of the outputs that it belongs to
    refused: str = ""  # why it cannot be a photograph or film, if its kind says so
    is_film: bool = False
    was_named: bool = False  # by itself: it is tried whatever it is


def find_photographs(
    photos: Sequence[Path], never: Iterable[Path] = (), passed_over: Counter[str] | None = None
) -> list[InputFile]:
    """List photographs and films: files, and those of folders at any depth.

    Files of folders that have neither the ending nor the content of one are passed over, and counted in `passed_over`
    by their endings; so are results of earlier calls, which their records name. What should be a photograph and cannot
    (broken links, pipes, folders without permission) is listed as refused. Inputs of another kind, such as masks, are
    left out. A name that does not exist, or no photograph at all, is a `UserError`.
    """
    others = {real(path) for path in never}
    found: dict[tuple[str, Path], InputFile] = {}
    over: dict[str, str] = {}  # kinds, by file: folders may be named twice, and files in them by themselves
    for named, place in _placed(photos):
        for one in _found(named, place, over):
            if not others or real(one.photo) not in others:
                key = absolute(one.photo), one.place
                found[key] = one if one.was_named else found.get(key, one)
    counts = Counter(over[name] for name in over.keys() - {name for name, _ in found})
    if not found:
        only = f", only {in_numbers(counts)}" if counts else ""
        raise UserError(f"there is no photograph in {', '.join(map(str, photos))}{only}")
    if passed_over is not None:
        passed_over.update(counts)
    return list(found.values())


def in_numbers(passed_over: Mapping[str, int]) -> str:
    """Say how many files of which kind: ``1 hidden, 2 .xmp``."""
    return ", ".join(f"{count} {printable(kind)}" for kind, count in sorted(passed_over.items()))


def _placed(photos: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield what is named, with the subfolder of the outputs for it, or for what is in it.

    There is none for a single folder and what lies in it. Of several things, each folder has one of its own name, and
    so has the folder of a file if another file of that name is named.
    """
    paths = {named: Path(absolute(named)) for named in photos}
    folders = {path for named, path in paths.items() if named.is_dir()}
    top_of = {
        path: next((top for top in (*path.parents[::-1], path) if top in folders), None) for path in paths.values()
    }
    loose = {path for path, top in top_of.items() if top is None}
    names = Counter(path.name for path in loose)
    apart = {path.parent for path in loose if names[path.name] > 1}
    tops = set(top_of.values()) - {None}
    if len(tops) + bool(loose) > 1:
        apart |= tops
    subfolder = _distinct_names(apart)
    for named, path in paths.items():
        top = top_of[path]
        if top is None:
            yield named, subfolder[path.parent] if names[path.name] > 1 else Path()
        else:
            inner = path if path in folders else path.parent
            yield named, subfolder.get(top, Path()) / inner.relative_to(top)


def _distinct_names(folders: set[Path]) -> dict[Path, Path]:
    """Name folders apart: by their own names or, if these are not distinct, by their paths below a common folder."""
    if len({path.name.casefold() for path in folders} - {""}) == len(folders):
        return {path: Path(path.name) for path in folders}
    common = os.path.commonpath(folders)
    return {path: path.relative_to(common) for path in folders}


def _found(named: Path, place: Path, over: dict[str, str]) -> Iterator[InputFile]:
    """Yield a file, or those of a folder; add to `over` what is passed over, and its kind."""
    if not named.is_dir():
        if not named.exists():
            raise UserError(f"there is no photograph or folder '{named}'")
        yield InputFile(named, place, is_film=_kind_of(named) == "film", was_named=True)
        return
    try:
        entries = sorted(walk_folder(named, hidden=True), key=lambda entry: entry.path)
    except OSError as error:
        raise UserError(f"the folder '{named}' cannot be listed ({in_words(error)})") from None
    # As the records in the folder and in those around it say.
    recorded = {*(e.path.parent for e in entries if e.path.name in RECORDS), *Path(absolute(named)).parents}
    results = {absolute(path) for folder in recorded for path in recorded_results(folder)}
    for entry in entries:
        path, name = entry.path, absolute(entry.path)
        if (entry.is_hidden and entry.is_folder) or path.name in RECORDS:
            continue
        if entry.is_hidden:
            over[name] = "hidden"
        elif name in results:
            over[name] = RESULTS
        elif entry.is_folder or (kind := _kind_of(path, look=not entry.problem)):
            film = not entry.problem and kind == "film"
            yield InputFile(path, place / path.parent.relative_to(named), entry.problem, film)
        else:
            over[name] = path.suffix.lower() or "without ending"


def _kind_of(path: Path, look: bool = True) -> Literal["photograph", "film", ""]:
    """Say what a file is, by its ending or else, if one may `look`, by its content."""
    ending = path.suffix.lower()
    if ending in PHOTOGRAPH_ENDINGS:
        return "photograph"
    head = _head(path) if look else b""
    if is_photograph(head):
        return "photograph"
    return "film" if ending in FILM_EXTENSIONS or (FILM_HEADS.match(head) and is_film(path)) else ""


def _head(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe does not make this wait
    except OSError:
        return b""
    try:
        return os.read(descriptor, HEAD_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def absolute(path: Path) -> str:
    """Return the absolute name of a file; links are not followed."""
    return os.path.abspath(path)  # noqa: PTH100 (`resolve` would follow links)


def real(path: Path) -> Path:
    """Return a file's name with links followed: as far as possible, if they are a loop."""
    return Path(os.path.realpath(path))
