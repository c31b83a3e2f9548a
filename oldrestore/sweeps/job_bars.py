"""How far the running jobs of a sweep are: a line for each on a terminal, with its last score and the time left."""

from __future__ import annotations

import re
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

STARTING = "starting"  # in place of a score, until the first step is recorded


class JobBars:
    """A bar for each running job, below what is printed meanwhile; nothing if `console` is no terminal."""

    def __init__(self, metric: str, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._metric, self._short_metric = metric, metric.rpartition("/")[2]
        self._tasks: dict[str, tuple[TaskID, Tail]] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
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
        # What is beside it has to be seen in full: bar, iterations, score, two times.
        beside = f"{12 * '-'} {iterations}/{iterations} {self._short_metric} -0.1234 0:00:00 0:00:00 "
        shown = shortened(words, max(16, self._bars.console.width - len(beside)))
        self._tasks[key] = self._bars.add_task(shown, total=iterations, score=STARTING), Tail(folder)

    def remove(self, key: str) -> None:
        """Remove a job that has ended."""
        self._bars.remove_task(self._tasks.pop(key)[0])

    def look(self) -> None:
        """Read what the jobs have recorded since the last look."""
        if self._bars.disable:
            return
        tasks = {task.id: task for task in self._bars.tasks}
        for number, tail in self._tasks.values():
            for lines in tail.scalars():
                steps = [line.iteration + 1 for line in lines if "train/loss" in line.values]
                scores = [line.values[self._metric] for line in lines if self._metric in line.values]
                if steps and tasks[number].fields["score"] == STARTING:
                    # The steps of before a job was resumed say nothing about its pace.
                    began = tasks[number].start_time
                    self._bars.reset(number, completed=steps[-1], score="")
                    tasks[number].start_time = began
                elif steps:
                    self._bars.update(number, completed=steps[-1])
                if scores:
                    self._bars.update(number, score=f"{self._short_metric} {scores[-1]:.4g}")


def shortened(words: str, room: int) -> str:
    """Shorten a job's settings to so many signs: to the last parts of their names, then in the middle."""
    words = re.sub(r"(^| )[\w@/.]+\.(?=\w+=)", r"\1", words)
    half = (room - 1) // 2
    return words if len(words) <= room else f"{words[: room - 1 - half]}…{words[-half:]}"
