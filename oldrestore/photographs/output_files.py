"""Writes outputs, all of a photograph or none, over existing files only if asked; and records how each was made."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from oldrestore import __version__
from oldrestore.data.sources.photo import printable
from oldrestore.errors import UserError, in_words, naming
from oldrestore.files import lock, write_atomically

Existing = Literal["refuse", "replace", "skip"]
"""What happens to a photograph whose outputs exist: it fails, they are replaced, or it is skipped."""

COLORIZED, RESTORED, PANEL = "-colorized", "-restored", "-panel"
# Further outputs of a photograph, and their endings; an empty one stands for that of the result.
PARTS = {"mask": ".png", "filled": "", "evened": ""}
RECORDS = ("colorize.json", "restore.json")
SECONDS_BETWEEN = 30.0
LONGEST_REASON = 400
LONGEST_WAIT = 5.0  # seconds; the lock is held for milliseconds, unless the folder is also that of a training run


class ExistingOutput(FileExistsError):  # noqa: N818 (like UnreadablePhoto, a fact about a file)
    """A file of an output's name exists and must not be replaced; `reason` is a sentence."""

    def __init__(self, path: Path) -> None:
        self.reason = f"'{printable(path)}' exists already: --overwrite replaces it"
        super().__init__(self.reason)


class OutputFiles:
    """Files made from one photograph: if one cannot be written, the new ones are removed.

    Unless they may `replace` files, those that appeared after outputs were named are kept too.
    """

    def __init__(self, replace: bool) -> None:
        self.replace = replace
        self._made: list[Path] = []

    @contextlib.contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Remove new files if the block fails or is interrupted; replaced files stay replaced."""
        try:
            yield
        except BaseException:
            for path in self._made:
                path.unlink(missing_ok=True)
            raise

    def keep(self) -> None:
        """Keep the new files: everything is done."""
        self._made.clear()

    def require_free(self, paths: Iterable[Path]) -> None:
        """Raise `ExistingOutput` if a name is taken, before minutes of work."""
        taken = None if self.replace else next((path for path in paths if path.exists()), None)
        if taken is not None:
            raise ExistingOutput(taken)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file atomically: a reader sees all of it, or nothing or the old file."""
        write_atomically(path, data, self.place)

    def place(self, whole: Path, path: Path) -> None:
        """Rename a whole file to `path`, in the same folder; `ExistingOutput` if the name is taken."""
        if self.replace:
            whole.replace(path)
            return
        try:
            try:
                os.link(whole, path)  # unlike renaming, fails if the name is taken
            except FileExistsError:
                raise
            except OSError:  # FAT and some network disks have no hard links
                with naming(path):
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
                self._made.append(path)
                whole.replace(path)
                return
        except FileExistsError:
            raise ExistingOutput(path) from None
        self._made.append(path)
        with contextlib.suppress(FileNotFoundError):
            whole.unlink()


class OutputRecord:
    """The file ``colorize.json`` or ``restore.json`` in a folder of outputs; several processes may add to it."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._new: dict[str, Any] = {}
        self._clock = clock
        self._written = clock()

    def add(self, output: str | Path, entry: Mapping[str, Any]) -> None:
        """Record how a file was made; written by the next `write`, or every half minute."""
        self._new[Path(output).relative_to(self.path.parent).as_posix()] = dict(entry)
        if self._clock() - self._written > SECONDS_BETWEEN:
            self.write()

    def write(self) -> None:
        """Add new entries to the file; those of other files that still exist stay."""
        with lock(self.path.parent, LONGEST_WAIT):
            files = {name: entry for name, entry in self.read().items() if (self.path.parent / name).exists()}
            files.update(self._new)
            write_atomically(self.path, json.dumps({"oldrestore": __version__, "files": files}, indent=2) + "\n")
        self._new.clear()
        self._written = self._clock()

    def read(self) -> dict[str, Any]:
        """Return the entries by output; none if the file is missing or not such a record."""
        try:
            files = json.loads(self.path.read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return files if isinstance(files, dict) else {}


def recorded_results(folder: Path) -> Iterator[Path]:
    """Yield what was written into a folder and its subfolders, as far as its records say."""
    for record in RECORDS:
        for result, entry in OutputRecord(folder / record).read().items():
            yield from (folder / name for name in _files_of(result, entry))


def _files_of(result: str, entry: object) -> Iterator[str]:
    """Yield the names of what was written with a result; records of older versions name the result alone."""
    yield result
    files = entry.get("files") if isinstance(entry, dict) else None
    if isinstance(files, dict):
        yield from files
        return
    for mark in (COLORIZED, RESTORED):
        name, found, _ = result.rpartition(mark)
        if found:
            yield f"{name}{PANEL}.jpg"
            yield from (f"{name}-{part}{end}" for part in PARTS for end in (".jpg", ".png"))


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
