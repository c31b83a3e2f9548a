"""Names outputs once they are whole: all of a photograph or none, and over existing files only if asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from oldrestore.data.sources.photo import printable
from oldrestore.errors import naming
from oldrestore.files import write_atomically


class ExistingOutput(FileExistsError):  # noqa: N818 (like UnreadablePhoto, a fact about a file)
    """A file of an output's name exists and must not be replaced.

    Attributes
    ----------
    reason : str
        A sentence.
    """

    def __init__(self, path: Path) -> None:
        self.reason = f"'{printable(path)}' exists already: --overwrite replaces it"
        super().__init__(self.reason)


class NewFiles:
    """Files made from one photograph: if one cannot be written, the new ones are removed.

    Parameters
    ----------
    replace : bool
        Whether they may replace files. If not, files that appeared after outputs were named are kept too.
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
        """Check that no name is taken, before minutes of work.

        Raises
        ------
        ExistingOutput
        """
        taken = None if self.replace else next((path for path in paths if path.exists()), None)
        if taken is not None:
            raise ExistingOutput(taken)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file atomically: a reader sees all of it, or nothing or the old file.

        Raises
        ------
        ExistingOutput
        OSError
            If it cannot be written.
        """
        write_atomically(path, data, self.place)

    def place(self, whole: Path, path: Path) -> None:
        """Rename a whole file to `path`, in the same folder.

        Raises
        ------
        ExistingOutput
            If there is a file of that name; it is not changed.
        """
        if self.replace:
            whole.replace(path)
            return
        try:
            try:
                os.link(whole, path)  # unlike renaming, fails if the name is taken
            except FileExistsError:
                raise
            except OSError:  # FAT and some network disks have no hard links
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
