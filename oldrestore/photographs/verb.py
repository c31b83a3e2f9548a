"""``colorize`` and ``restore``: photographs and films through the stages, one by one, recorded and summed up."""

from __future__ import annotations

import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from omegaconf import DictConfig, OmegaConf

from oldrestore.data.codecs.xmp import is_labelled
from oldrestore.data.sources.photo import printable
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.files import sha256_of
from oldrestore.narrator import Narrator
from oldrestore.photographs.output_files import (
    COLORIZED,
    RESTORED,
    Existing,
    ExistingOutput,
    OutputFiles,
    OutputRecord,
    reason_of,
    require_folder,
)
from oldrestore.photographs.output_names import Task
from oldrestore.photographs.photo_list import RESULTS, in_numbers, real
from oldrestore.photographs.restorer import Restorer
from oldrestore.photographs.skipping import is_made
from oldrestore.photographs.stopping import signals_deferred
from oldrestore.photographs.treatment import Labelling, PhotoContents, read_photo, treat_film, treat_photo


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM before the last photograph; what is done has been written and recorded."""


@dataclass
class PhotoOutcomes:
    """What happened to photographs and films."""

    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # their outputs existed
    passed_over: Counter[str] = field(default_factory=Counter)  # files that are none, by kind


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
        # For file names.
        self.labels = [network.get("design") or network["name"] for network in self.networks] or ["result"]
        self.outcome = PhotoOutcomes()
        self.label_date: str | None = None  # for labels, ISO 8601; without it, results have none

    @property
    def labelling(self) -> Labelling | None:
        """What the results say of how they were altered."""
        colorers = tuple(network["name"] for network in self.networks)
        return self.label_date and Labelling(self.label_date, self.restorers, colorers)

    @property
    def restorers(self) -> tuple[str, ...]:
        """Names of the networks that alter photographs before they are coloured."""
        return ()

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Facts about the stages, for ``--json``."""

    @abstractmethod
    def entry(self, number: int, sha256: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say how a result, whose file has this `sha256`, was made, for the record."""

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

                    for page, file in self._pages(task, tasks, narrator):
                        reason = page.refused or self._try(page, file, record, existing, known, show_frames)
                        if reason:
                            reason = f"page {page.page + 1}: {reason}" if page.page else reason
                            self.outcome.failed.append({"photograph": str(task.photo), "reason": reason})
                            narrator.say(f"failed    {printable(task.photo)}: {reason}")
                    advance(number + 1)
        except KeyboardInterrupt:
            with signals_deferred():
                record.write()
            on = "" if existing == "replace" else "; the same command with --skip-existing goes on"
            raise Stopped(f"{len(self.outcome.done)} of {len(tasks)} {self.words[1]}; stopped{on}") from None
        record.write()

    def _pages(
        self, task: Task, tasks: Sequence[Task], narrator: Narrator
    ) -> Iterator[tuple[Task, PhotoContents | None]]:
        """Yield a film, or a photograph with its file, or each of the photographs that are pages of one file."""
        if task.refused or task.is_film:
            yield task, None
            return
        try:
            file = read_photo(task.photo)
        except Exception as error:  # noqa: BLE001 (see `_try`)
            yield replace(task, refused=reason_of(error)), None
            return
        if is_labelled(file.contents) and not task.was_named:
            self.outcome.passed_over[RESULTS] += 1
            return
        if file.pages > 1:
            narrator.say(f"pages     {printable(task.photo)} has {file.pages}, each a photograph of its own")
        taken: set[Path] = set()
        for number in range(file.pages):
            page = task
            if number:
                taken = taken or {real(path) for other in tasks for path in (other.photo, *other.written)}
                page = task.of_page(number)
                if not taken.isdisjoint(map(real, page.written)):
                    page = replace(page, refused="its outputs would have the names of another photograph's: rename it")
            yield page, file

    def _try(
        self,
        task: Task,
        file: PhotoContents | None,
        record: OutputRecord,
        existing: Existing,
        known: Mapping[str, Any],
        advance: Callable[[int, int], None],
    ) -> str:
        """Make the outputs of a photograph or film, or skip it; return why that failed."""
        try:
            anew = existing == "replace"
            if existing == "skip" and _all_exist(task):
                if is_made(task, file.sha256 if file else sha256_of(task.photo), record.path.parent, known):
                    self.outcome.skipped.append(str(task.photo))
                    return ""
                anew = True
            files = OutputFiles(replace=anew)
            files.require_free(task.written)
            with files.all_or_none():
                self._make(task, file, files, record, advance)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one, the others continue)
            if not (isinstance(error, ExistingOutput) and existing == "skip" and _all_exist(task)):
                return reason_of(error)
            self.outcome.skipped.append(str(task.photo))  # another process was faster
        return ""

    def _make(
        self,
        task: Task,
        file: PhotoContents | None,
        files: OutputFiles,
        record: OutputRecord,
        advance: Callable[[int, int], None],
    ) -> None:
        started = time.perf_counter()
        if file is None:
            treated = treat_film(task, self.restorer, files, advance, self.labelling)
            source = sha256_of(task.photo)
        else:
            treated = treat_photo(task, file, self.restorer, self.labelling)
            source = file.sha256
        facts = treated.facts | {"seconds": round(time.perf_counter() - started, 3)}
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in treated.files}
        digests |= {path: sha256_of(path) for path in task.outputs if path not in digests}  # films have been written
        page = {"page": task.page + 1} if file and file.pages > 1 else {}
        origin = {
            "photograph": str(task.photo),
            "photograph_sha256": source,
            **page,
            "files": {path.relative_to(record.path.parent).as_posix(): sha256 for path, sha256 in digests.items()},
            "label": asdict(treated.label) if treated.label else None,
        }
        entries = [self.entry(number, digests[path], facts) for number, path in enumerate(task.outputs)]
        with signals_deferred():
            for path, content in treated.files:
                files.write(path, content)
            files.keep()
            self.outcome.done.append(
                {
                    "photograph": str(task.photo),
                    **page,
                    "outputs": [str(path) for path in task.outputs],
                    **{part: str(path) for part, path in treated.parts.items()},
                    "panel": str(task.panel),
                    **{key: facts[key] for key in self.keys if key in facts},
                }
            )
            for path, entry in zip(task.outputs, entries, strict=True):
                record.add(path, {**origin, **entry})

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
        if kept := sum(not entry.get("colored", True) for entry in done) if "colorize" in self.restorer.stages else 0:
            yield f"{kept} of {len(done)} keep their own colours: restore/colorize=all colours every photograph"
        if self.outcome.passed_over:
            count = sum(self.outcome.passed_over.values())
            again = " (one that is named by itself is tried)" if self.outcome.passed_over[RESULTS] else ""
            yield f"passed over {count} file{'s' if count > 1 else ''}: {in_numbers(self.outcome.passed_over)}{again}"
        if failed:
            yield f"{len(failed)} of {len(failed) + len(done)} {self.subject} failed"


class Colorizing(Verb):
    """Photographs in predicted colours; of their own colours only the lightness is used, which does not change."""

    name, words, mark = "colorize", ("colouring", "coloured"), COLORIZED
    subject, keys = "photographs", ("hints", "remarks")

    def facts(self) -> dict[str, Any]:
        """Facts about the networks, for ``--json``."""
        return {"networks": self.networks}

    def entry(self, number: int, sha256: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say which network made a result, for the record."""
        coloring = self.restorer.coloring
        size = coloring.colorizers[number].size
        return {"hints": facts["hints"], "size": size, **coloring.options.describe(), **self.networks[number]}

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

    @property
    def restorers(self) -> tuple[str, ...]:
        """Name of the network that fills or restores, if there is one."""
        return (self.network["name"],) if self.network else ()

    def facts(self) -> dict[str, Any]:
        """Facts about the stages, for ``--json``."""
        return {"stages": self.restorer.stages, "networks": self.networks, "restorer": self.network}

    def entry(self, number: int, sha256: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Say how a result was made, with its hash, for the record."""
        return {
            "sha256": sha256,
            "lost": facts.get("lost"),
            # Networks have the outputs' order; without colour there is one output and no network.
            "colored_by": self.networks[number] if facts["colored"] else None,
            "stages": self.restorer.stages,
            "config": self.config,
            "restorer": self.network,
            **({"hints": facts["hints"]} if facts["hints"] else {}),
            **(self.restorer.coloring.options.describe() if facts["colored"] else {}),
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
    origin = f"  from {network['origin']}" if "origin" in network else ""
    identity = f"{network['name']} ({network['network']})  sha256 {network['sha256'][:16]}"
    return f"{what:<10}{identity}  {network['weights']}{origin}"


def _all_exist(task: Task) -> bool:
    return all(path.exists() for path in task.outputs)


def day() -> str:
    """Return the date for labels, in ISO 8601 and UTC: a day, so that a command repeats its bytes at least for a day.

    ``SOURCE_DATE_EPOCH`` (reproducible-builds.org) sets it.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return moment.date().isoformat()
