"""Gives outputs their names: whole, all of a photograph or none, and in place of another file only when asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from oldrestore.data.photo import printable
from oldrestore.errors import naming
from oldrestore.files import write_atomically


class ExistingOutput(FileExistsError):  # noqa: N818 (as UnreadablePhoto: it is a finding about a file)
    """An output has its name already, and is not to be replaced.

    Attributes
    ----------
    reason : str
        A sentence.
    """

    def __init__(self, path: Path) -> None:
        self.reason = f"'{printable(path)}' exists already: --overwrite replaces it"
        super().__init__(self.reason)


class NewFiles:
    """Files that come of one photograph: if one cannot be written, those that are new go again.

    Parameters
    ----------
    replace : bool
        Whether they may replace files. If not, a file that came after everything was planned is kept as well.
    """

    def __init__(self, replace: bool) -> None:
        self.replace = replace
        self._made: list[Path] = []

    @contextlib.contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Take back, when the block fails or is interrupted, what was made in it; what was replaced stays replaced."""
        try:
            yield
        except BaseException:
            for path in self._made:
                path.unlink(missing_ok=True)
            raise

    def keep(self) -> None:
        """Let what was made stay: everything is done."""
        self._made.clear()

    def require_free(self, paths: Iterable[Path]) -> None:
        """Look whether any of the names is taken: sooner than after a minute of work.

        Raises
        ------
        ExistingOutput
        """
        taken = None if self.replace else next((path for path in paths if path.exists()), None)
        if taken is not None:
            raise ExistingOutput(taken)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file: a reader sees nothing (or the old file) or all of it.

        Raises
        ------
        ExistingOutput
        OSError
            When it cannot be written.
        """
        write_atomically(path, data, self.place)

    def place(self, whole: Path, path: Path) -> None:
        """Give a file that is whole the name `path`, in the same folder.

        Raises
        ------
        ExistingOutput
            When there is a file of that name; it is left as it is.
        """
        if self.replace:
            whole.replace(path)
            return
        try:
            try:
                os.link(whole, path)  # unlike a renaming, it fails when the name is taken
            except FileExistsError:
                raise
            except OSError:  # FAT, some network disks: no second name for a file
                self._reserve_and_replace(whole, path)
        except FileExistsError:
            raise ExistingOutput(path) from None
        self._made.append(path)
        with contextlib.suppress(FileNotFoundError):
            whole.unlink()

    def _reserve_and_replace(self, whole: Path, path: Path) -> None:
        with naming(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        try:
            whole.replace(path)
        except BaseException:
            path.unlink()
            raise
