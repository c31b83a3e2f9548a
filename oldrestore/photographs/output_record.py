"""The file in a folder of outputs that records how each was made; several processes may add to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oldrestore import __version__
from oldrestore.files import lock, write_atomically

SECONDS_BETWEEN = 30.0
LONGEST_WAIT = 5.0  # seconds; the lock is held for milliseconds, unless the folder is also that of a training run


class OutputRecord:
    """Entries for ``colorize.json`` or ``restore.json``.

    Parameters
    ----------
    path : Path
        The file, in the folder of the outputs.
    """

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
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return files if isinstance(files, dict) else {}
