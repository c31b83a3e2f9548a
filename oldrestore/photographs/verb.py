"""``colorize`` and ``restore``: photographs and films through the stages, one by one, recorded and summed up."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from omegaconf import DictConfig, OmegaConf

from oldrestore.data.sources.photo import printable
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.narrator import Narrator
from oldrestore.photographs.output_files import ExistingOutput, OutputFiles, OutputRecord
from oldrestore.photographs.photo_list import COLORIZED, RESTORED, Existing, Task, reason_of, require_folder
from oldrestore.photographs.restorer import Restorer
from oldrestore.photographs.stopping import signals_deferred
from oldrestore.photographs.treatment import treat_film, treat_photo


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM before the last photograph; what is done has been written and recorded."""


@dataclass
class PhotoOutcomes:
    """What happened to photographs and films."""

    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # their outputs existed


class Verb(ABC):
    """Photographs through the stages of a `Restorer`; a subclass adds what it records and prints."""

    name: ClassVar[str]  # the record is NAME.json
    words: ClassVar[tuple[str, str]]  # for messages: "colouring", "coloured"
    mark: ClassVar[str]  # follows a photograph's name in those of its results
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
        """Treat photographs and films; one that fails is reported and the others continue.

        Ctrl-C and SIGTERM raise `Stopped`, after what is done has been recorded.
        """
        require_folder(folder)
        record = OutputRecord(folder / f"{self.name}.json")
        known = record.read() if existing == "skip" else {}
        try:
            with narrator.progress(self.words[0], len(tasks)) as advance:
                for number, task in enumerate(tasks):

                    def show_frames(done: int, total: int, files: int = number) -> None:
                        advance(files, frames=f"{done} of about {total}" if total else str(done))

                    reason = self._try(task, record, existing, known, show_frames)
                    if reason:
                        self.outcome.failed.append({"photograph": str(task.photo), "reason": reason})
                        narrator.say(f"failed    {printable(task.photo)}: {reason}")
                    advance(number + 1)
        except KeyboardInterrupt:
            with signals_deferred():
                record.write()
            on = "" if existing == "replace" else "; the same command with --skip-existing goes on"
            raise Stopped(f"{len(self.outcome.done)} of {len(tasks)} {self.words[1]}; stopped{on}") from None
        record.write()

    def _try(
        self,
        task: Task,
        record: OutputRecord,
        existing: Existing,
        known: Mapping[str, Any],
        advance: Callable[[int, int], None],
    ) -> str:
        """Make the outputs of a photograph or film, or skip it; return why that failed."""
        files = OutputFiles(replace=existing == "replace")
        try:
            if task.refused:
                raise UserError(task.refused)
            if existing == "skip" and _is_made(task, record.path.parent, known):
                self.outcome.skipped.append(str(task.photo))
            else:
                files.require_free(task.written)
                with files.all_or_none():
                    self._make(task, files, record, advance)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one, the others continue)
            if not (isinstance(error, ExistingOutput) and existing == "skip" and _all_exist(task)):
                return reason_of(error)
            self.outcome.skipped.append(str(task.photo))  # another process was faster
        return ""

    def _make(self, task: Task, files: OutputFiles, record: OutputRecord, advance: Callable[[int, int], None]) -> None:
        started = time.perf_counter()
        treated = treat_film(task, self.restorer, files, advance) if task.is_film else treat_photo(task, self.restorer)
        facts = treated.facts | {"seconds": round(time.perf_counter() - started, 3)}
        data = dict(treated.files)
        entries = [self.entry(number, path, data.get(path), facts) for number, path in enumerate(task.outputs)]
        with signals_deferred():
            for path, content in treated.files:
                files.write(path, content)
            files.keep()
            self.outcome.done.append(
                {
                    "photograph": str(task.photo),
                    "outputs": [str(path) for path in task.outputs],
                    **{part: str(path) for part, path in treated.parts.items()},
                    "panel": str(task.panel),
                    **{key: facts[key] for key in self.keys if key in facts},
                }
            )
            for path, entry in zip(task.outputs, entries, strict=True):
                record.add(path, {"photograph": str(task.photo), **entry})

    def summary(self) -> Iterator[str]:
        """Lines that say what was done with which weights."""
        done, failed, skipped = self.outcome.done, self.outcome.failed, self.outcome.skipped
        yield from self.header()
        for entry in done:
            for output in entry["outputs"]:
                yield f"{self.words[1]}  {printable(output)}{self.note(entry)}"
            yield from (f"          {remark}" for remark in entry.get("remarks", ()))
        if skipped:
            what = "photographs: their" if len(skipped) > 1 else "photograph: its"
            yield f"skipped   {len(skipped)} {what} outputs exist"
        if failed:
            yield f"{len(failed)} of {len(failed) + len(done)} {self.subject} failed"


class Colorizing(Verb):
    """Photographs in predicted colours; of their own colours only the lightness is used, which does not change."""

    name, words, mark = "colorize", ("colouring", "coloured"), COLORIZED
    subject, keys = "photographs", ("hints", "remarks")

    def facts(self) -> dict[str, Any]:
        """Facts about the networks, for ``--json``."""
        return {"networks": self.networks}

    def entry(self, number: int, output: Path, data: bytes | None, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say which network made a result, for the record."""
        size = self.restorer.coloring.colorizers[number].size
        return {"hints": facts["hints"], "size": size, **self.networks[number]}

    def header(self) -> Iterator[str]:
        """Lines that open the summary."""
        return (_line("weights", network) for network in self.networks)


class Restoring(Verb):
    """Photographs through all stages of a configuration.

    The configuration, and the network that fills or restores, are for the record.
    """

    name, words, mark = "restore", ("restoring", "restored"), RESTORED
    subject, keys = "files", ("width", "height", "lost", "frames", "remarks", "colored", "seconds")

    def __init__(self, restorer: Restorer, config: DictConfig, network: ChosenNetwork | None = None) -> None:
        super().__init__(restorer)
        self.config = OmegaConf.to_container(config)
        self.network = network.describe() if network else None

    def facts(self) -> dict[str, Any]:
        """Facts about the stages, for ``--json``."""
        return {"stages": self.restorer.stages, "networks": self.networks, "restorer": self.network}

    def entry(self, number: int, output: Path, data: bytes | None, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say how a result was made, with its hash, for the record."""
        return {
            "sha256": sha256_of(output) if data is None else hashlib.sha256(data).hexdigest(),
            "lost": facts.get("lost"),
            # Networks have the outputs' order; without colour there is one output and no network.
            "colored_by": self.networks[number] if facts["colored"] else None,
            "stages": self.restorer.stages,
            "config": self.config,
            "restorer": self.network,
        }

    def header(self) -> Iterator[str]:
        """Lines that open the summary."""
        yield f"stages    {', '.join(self.restorer.stages) or 'none'}"
        if self.network is not None:
            yield _line("restorer", self.network)
        for network in self.networks:
            yield _line("colour", network)

    def note(self, done: Mapping[str, Any]) -> str:
        """Return how much of a photograph was filled and whether it was coloured."""
        stages = self.restorer.stages
        facts = [f"{done['lost']:.1%} filled"] if done.get("lost") is not None and "fill" in stages else []
        facts += [f"{done['frames']} frames"] if "frames" in done else []
        if "colorize" in stages:
            facts.append("coloured" if done["colored"] else "keeps its own colours")
        return f"  ({', '.join(facts)})" if facts else ""


def _line(what: str, network: Mapping[str, Any]) -> str:
    return f"{what:<10}{network['name']} ({network['network']})  sha256 {network['sha256'][:16]}  {network['weights']}"


def _all_exist(task: Task) -> bool:
    return all(path.exists() for path in task.outputs)


def _is_made(task: Task, folder: Path, known: Mapping[str, Any]) -> bool:
    """Say whether the results of a photograph exist, and none is recorded as another photograph's."""
    if not _all_exist(task):
        return False
    for path in task.outputs:
        entry = known.get(path.relative_to(folder).as_posix())
        made_of = entry.get("photograph") if isinstance(entry, dict) else None
        if isinstance(made_of, str) and Path(made_of).name != task.photo.name:
            raise UserError(f"'{printable(path)}' exists already and was made of '{printable(Path(made_of))}'")
    return True
