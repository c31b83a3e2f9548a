"""Reads a run folder as it grows: each look returns what was added since the last, in the form that trackers take."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from oldrestore.records.parsing import parse_table
from oldrestore.records.recorded import ACCURACY_KINDS, Panel, Scalars, parse_scalars
from oldrestore.records.run import Run

MOST_AT_ONCE = 500  # lines of scalars


def times_of(folder: Path) -> tuple[int | None, int | None]:
    """Return when a run began and ended, in milliseconds since 1970; None if unknown.

    A run that was killed has written no end: the time of its last metrics stands in.
    """
    status = Run(folder).status
    started, ended = (
        round(datetime.fromisoformat(status[name]).timestamp() * 1000) if status.get(name) else None
        for name in ("started", "ended")
    )
    metrics = folder / "metrics.jsonl"
    last_sign = int(metrics.stat().st_mtime * 1000) if metrics.exists() else started
    return started, ended or last_sign


class Tail:
    """Follows a run folder from its beginning.

    A line that is half written is left for the next look. Nothing is kept in memory but how far each file was read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        self._heading = ""
        self._panels: set[str] = set()
        self._texts: dict[str, tuple[int, int]] = {}

    def scalars(self) -> Iterator[list[Scalars]]:
        """Yield new lines of scalars in order, at most `MOST_AT_ONCE` at a time."""
        lines = self._new_lines("metrics.jsonl")
        for first in range(0, len(lines), MOST_AT_ONCE):
            yield [parse_scalars(line) for line in lines[first : first + MOST_AT_ONCE]]

    def accuracy(self) -> list[dict[str, Any]]:
        """Return new rows of the accuracy table, ``trained_iterations`` included; empty cells are None."""
        lines = self._new_lines("accuracy.csv")
        if lines and not self._heading:
            self._heading = lines.pop(0)
        return list(parse_table("\n".join([self._heading, *lines]), ACCURACY_KINDS, float))

    def panels(self) -> Iterator[Panel]:
        """Yield new pictures, in the order of training."""
        run = Run(self._folder)
        for name in run.panels:
            if name not in self._panels:
                self._panels.add(name)
                yield run.panel(name)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield name and content of each note that is new or has changed."""
        for name in Run(self._folder).texts:
            path = self._folder / "texts" / name
            stat = path.stat()
            version = (stat.st_mtime_ns, stat.st_size)
            if self._texts.get(name) != version:
                self._texts[name] = version
                yield path.stem, path.read_text(encoding="utf-8")

    def _new_lines(self, name: str) -> list[str]:
        path, start = self._folder / name, self._read.get(name, 0)
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
        end = content.rfind(b"\n") + 1
        self._read[name] = start + end
        return content[:end].decode().split("\n")[:-1]
