"""How far the running jobs of a sweep are: a line for each on a terminal, with its last score and the time left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from oldrestore.records.tail import Tail


class JobBars:
    """A bar for each running job, below what is printed meanwhile; nothing if `console` is no terminal."""

    def __init__(self, metric: str, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._metric = metric
        self._tasks: dict[str, tuple[TaskID, Tail]] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[score]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # what goes into a file or pipe must get there
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def add(self, key: str, words: str, iterations: int, folder: Path) -> None:
        """Add a job that has started, by its run folder."""
        self._tasks[key] = self._bars.add_task(words, total=iterations, score=""), Tail(folder)

    def remove(self, key: str) -> None:
        """Remove a job that has ended."""
        self._bars.remove_task(self._tasks.pop(key)[0])

    def look(self) -> None:
        """Read what the jobs have recorded since the last look."""
        if self._bars.disable:
            return
        for task, tail in self._tasks.values():
            for lines in tail.scalars():
                for line in lines:
                    if "train/loss" in line.values:  # of the step that follows so many
                        self._bars.update(task, completed=line.iteration + 1)
                    if self._metric in line.values:
                        self._bars.update(task, score=f"{self._metric} {line.values[self._metric]:.4g}")
