"""Reads a run folder as it grows, in the form in which trackers take it: each look gives what came since the last."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from oldrestore.plain import decode_float
from oldrestore.records.recorded import Panel, Scalars
from oldrestore.records.run import Run

MOST_AT_ONCE = 500  # lines of scalars


def times_of(folder: Path) -> tuple[int | None, int | None]:
    """Return when a run began and ended, in milliseconds since 1970; None where nothing tells.

    A run that was killed has written no end: its last line of metrics is it.
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
    """Follows a run folder from its beginning; whoever writes it only adds to it meanwhile.

    What is half written is left for the next look. Nothing is held but how far each file was read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        self._columns: list[str] = []
        self._panels: set[str] = set()
        self._texts: dict[str, tuple[int, int]] = {}

    def scalars(self) -> Iterator[list[Scalars]]:
        """New lines of scalars in order, a few hundred at a time."""
        lines = self._new_lines("metrics.jsonl")
        for first in range(0, len(lines), MOST_AT_ONCE):
            records = map(json.loads, lines[first : first + MOST_AT_ONCE])
            yield [
                Scalars(
                    record["iteration"],
                    record["time"],
                    {name: decode_float(value) for name, value in record["values"].items()},
                )
                for record in records
            ]

    def accuracy(self) -> list[dict[str, Any]]:
        """New rows of the accuracy table, ``trained_iterations`` included; empty cells are None."""
        lines = self._new_lines("accuracy.csv")
        if lines and not self._columns:
            self._columns = lines.pop(0).split(",")
        whole = {"trained_iterations", "iteration", "n"}
        return [
            {name: None if not cell else int(cell) if name in whole else float(cell) for name, cell in row.items()}
            for row in csv.DictReader(lines, self._columns)
        ]

    def panels(self) -> Iterator[Panel]:
        """New pictures, in the order of training."""
        run = Run(self._folder)
        for name in run.panels:
            if name not in self._panels:
                self._panels.add(name)
                yield run.panel(name)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Name and content of each note that is new or was written anew."""
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
