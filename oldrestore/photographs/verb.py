"""What ``colorize`` and ``restore`` do with photographs; each verb adds what it records and prints."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from oldrestore.data.sources.photo import printable
from oldrestore.narrator import Narrator
from oldrestore.photographs.each_photo import NewPictures, PhotoOutcomes, go_through
from oldrestore.photographs.new_files import NewFiles
from oldrestore.photographs.output_record import OutputRecord
from oldrestore.photographs.photo_list import Existing, Task, require_folder
from oldrestore.photographs.restorer import Restorer
from oldrestore.photographs.treatment import treat_film, treat_photo


class Verb(ABC):
    """Photographs through the stages of a `Restorer`, recorded and summed up."""

    name: ClassVar[str]  # the record is NAME.json
    words: ClassVar[tuple[str, str]]  # what is being done, and what is then done
    mark: ClassVar[str]  # stands after a photograph's name in those of its results
    subject: ClassVar[str]  # what failed, in the summary
    keys: ClassVar[tuple[str, ...]]  # of the facts of a photograph, those in the summary

    def __init__(self, restorer: Restorer) -> None:
        self.restorer = restorer
        coloring = restorer.coloring
        self.networks = [chosen.describe() for chosen in coloring.networks] if coloring else []
        self.labels = [network["name"] for network in self.networks] or ["result"]
        self.outcome = PhotoOutcomes()

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Facts about the stages, for ``--json``."""

    @abstractmethod
    def entry(self, number: int, output: Path, data: bytes | None, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say how a result was made, for the record; `data` is None for a film, which has been written."""

    @abstractmethod
    def header(self) -> Iterator[str]:
        """Lines that open the summary."""

    def note(self, done: Mapping[str, Any]) -> str:
        """Return a remark on a photograph for the summary."""
        return ""

    def run(self, tasks: Sequence[Task], folder: Path, narrator: Narrator, existing: Existing) -> None:
        """Treat photographs and films one by one; one that fails is reported and the others continue.

        Parameters
        ----------
        folder : Path
            Folder of the outputs and of the record.

        Raises
        ------
        Stopped
            On Ctrl-C or SIGTERM; what is done has been recorded.
        UserError
            If the folder cannot be written.
        """
        require_folder(folder)
        makers = [(task, partial(self._make, task)) for task in tasks]
        go_through(makers, self.outcome, OutputRecord(folder / f"{self.name}.json"), narrator, existing, self.words)

    def _make(self, task: Task, files: NewFiles, advance: Callable[[int, int], None]) -> NewPictures:
        started = time.perf_counter()
        treated = treat_film(task, self.restorer, files, advance) if task.is_film else treat_photo(task, self.restorer)
        facts = treated.facts | {"seconds": round(time.perf_counter() - started, 3)}
        done = {
            "photograph": str(task.photo),
            "outputs": [str(path) for path in task.outputs],
            **{part: str(path) for part, path in treated.parts.items()},
            "panel": str(task.panel),
            **{key: facts[key] for key in self.keys if key in facts},
        }
        data = dict(treated.files)
        entries = {
            path: {"photograph": str(task.photo), **self.entry(number, path, data.get(path), facts)}
            for number, path in enumerate(task.outputs)
        }
        return NewPictures(treated.files, done, entries)

    def summary(self) -> Iterator[str]:
        """Lines that say what was done with which weights."""
        done, failed, skipped = self.outcome.done, self.outcome.failed, self.outcome.skipped
        yield from self.header()
        for entry in done:
            for output in entry["outputs"]:
                yield f"{self.words[1]}  {printable(output)}{self.note(entry)}"
        if skipped:
            what = "photographs: their" if len(skipped) > 1 else "photograph: its"
            yield f"skipped   {len(skipped)} {what} outputs exist"
        if failed:
            yield f"{len(failed)} of {len(failed) + len(done)} {self.subject} failed"


def line_of(what: str, network: Mapping[str, Any]) -> str:
    """Say which weights a network has, as a line of the summary."""
    return f"{what:<10}{network['name']} ({network['network']})  sha256 {network['sha256'][:16]}  {network['weights']}"
