"""What a run prints: log lines everywhere, and a progress bar on a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment

Item = TypeVar("Item")


class UnwatchedConsole(Console):
    """A console that prints nothing more once its reader is gone (``| head``), where rich's would end the program."""

    def on_broken_pipe(self) -> None:
        """Send what is printed from now on, here or by `print`, to nowhere."""
        self.quiet = True
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self.file.fileno())


class Narrator:
    """Prints a run's lines and passes each as plain text to `record`, the run's log."""

    def __init__(
        self, record: Callable[[str], None] | None = None, console: Console | None = None, on_stderr: bool = False
    ) -> None:
        # Soft wrapping keeps a path on one line, so that it can be copied.
        self.console = console or UnwatchedConsole(stderr=on_stderr, highlight=False, soft_wrap=True)
        self.record = record

    def say(self, line: str = "") -> None:
        """Print a line as it is and record it."""
        self.console.print(line, markup=False)
        if self.record is not None:
            self.record(line)

    def show(self, renderable: object) -> None:
        """Print a table (or anything rich prints) and record it as plain text."""
        self.console.print(WithoutTrailingBlanks(renderable))
        self.record_only(renderable)

    def record_only(self, *lines: object) -> None:
        """Record lines or tables that are printed at another time."""
        for line in lines if self.record is not None else ():
            for text in [line] if isinstance(line, str) else _as_text(line):
                self.record(text)

    @contextmanager
    def progress(self, what: str, total: int, done: int = 0) -> Iterator[Callable[..., None]]:
        """Show a bar on a terminal; yields ``advance(completed, **figures)``, whose figures are shown beside it."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with bar:
            task = bar.add_task(what, total=total, completed=done, figures="")

            def advance(completed: int, **figures: str) -> None:
                shown = "  ".join(f"{name} {value}" for name, value in figures.items())
                bar.update(task, completed=completed, figures=shown)

            yield advance

    def track(self, items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
        """Yield the items and show how many are done."""
        with self.progress(what, total) as advance:
            for count, item in enumerate(items, 1):
                yield item
                advance(count)


class WithoutTrailingBlanks:
    """Something that rich prints, without the blanks that make all lines equally long, and empty lines at the end."""

    def __init__(self, renderable: object) -> None:
        self.renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        empty = 0
        for segments in Segment.split_lines(console.render(self.renderable, options)):
            line = list(segments)
            while line and not line[-1].text.strip():
                line.pop()
            if not line:
                empty += 1
                continue
            line[-1] = line[-1]._replace(text=line[-1].text.rstrip())
            yield from [Segment.line()] * empty
            yield from line
            yield Segment.line()
            empty = 0


def _as_text(renderable: object) -> list[str]:
    """Lines of a table for a log: no colours, and room for wide ones."""
    plain = Console(width=120, color_system=None, force_terminal=False)
    with plain.capture() as captured:
        plain.print(WithoutTrailingBlanks(renderable))
    return captured.get().splitlines()
