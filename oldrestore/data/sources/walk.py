"""Walks through a folder and leaves nothing unsaid: also what cannot be read is found, with the reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oldrestore.data.sources.photo import PHOTO_EXTENSIONS
from oldrestore.errors import in_words


@dataclass(frozen=True)
class FolderEntry:
    """A file below a folder, or something there that should have been one.

    Attributes
    ----------
    problem : str
        Why it cannot be read; empty for files.
    is_hidden : bool
        Whether its name begins with a dot; a hidden folder is not looked into.
    """

    path: Path
    problem: str = ""
    is_folder: bool = False
    is_hidden: bool = False

    @property
    def is_photograph_by_name(self) -> bool:
        """Whether the ending is that of a photograph."""
        return self.path.suffix.lower() in PHOTO_EXTENSIONS


class _Open:
    """A folder that is being walked through."""

    def __init__(self, path: Path):
        self.path = path
        self.names = iter(sorted(os.listdir(path)))  # noqa: PTH208
        self.holds_files = False


def walk_folder(root: Path, hidden: bool = False) -> Iterator[FolderEntry]:
    """Find everything below a folder, in the order of the names within each folder.

    What is hidden (a name with a dot in front) is passed over, or given as such if `hidden`. Links to folders are
    followed, each folder once, so that links that lead back end there. Links that lead nowhere, pipes, devices, folders
    that may not be read, and folders that are named as photographs and hold no file are given with their problem.

    Raises
    ------
    OSError
        When the folder itself cannot be listed.
    """
    stack = [_Open(root)]  # no recursion: folders may be nested more deeply than Python's calls
    seen = {_identity(root.stat())}
    while stack:
        folder = stack[-1]
        name = next(folder.names, None)
        if name is not None and name.startswith("."):
            if hidden:
                yield _hidden(folder.path / name)
            continue
        if name is not None:
            for entry in _look_at(folder.path / name, stack, seen):
                folder.holds_files |= not entry.is_folder
                yield entry
            continue
        stack.pop()
        if stack:
            stack[-1].holds_files |= folder.holds_files
            empty = FolderEntry(folder.path, "a folder, not a file", True)
            if not folder.holds_files and empty.is_photograph_by_name:
                yield empty


def _hidden(path: Path) -> FolderEntry:
    try:
        return FolderEntry(path, is_folder=path.is_dir(), is_hidden=True)
    except OSError:
        return FolderEntry(path, is_hidden=True)


def _look_at(path: Path, stack: list[_Open], seen: set[tuple[int, int]]) -> Iterator[FolderEntry]:
    try:
        status = path.stat()
    except FileNotFoundError:
        yield FolderEntry(path, "a link that leads nowhere" if path.is_symlink() else "it vanished meanwhile")
        return
    except OSError as error:
        yield FolderEntry(path, in_words(error))
        return
    if stat.S_ISREG(status.st_mode):
        yield FolderEntry(path)
    elif not stat.S_ISDIR(status.st_mode):
        yield FolderEntry(path, "not a file but a pipe, socket or device")
    elif _identity(status) not in seen:
        seen.add(_identity(status))
        try:
            stack.append(_Open(path))
        except OSError as error:
            yield FolderEntry(path, f"a folder that cannot be listed ({in_words(error)})", True)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
