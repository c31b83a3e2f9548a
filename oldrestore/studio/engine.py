"""The studio without its server: the photographs that were named, their sessions, pictures of them, and saving."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from rich.console import Console

from oldrestore.data.codecs.decode import UnreadablePhoto, decode_contents
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.fast_network import Running
from oldrestore.errors import UserError
from oldrestore.narrator import Narrator
from oldrestore.photographs.coloring import require_reading_hints
from oldrestore.photographs.output_files import PARTS, RESTORED, require_folder
from oldrestore.photographs.output_names import Task, name_outputs
from oldrestore.photographs.photo_list import InputFile
from oldrestore.photographs.treatment import read_photo
from oldrestore.photographs.verb import day
from oldrestore.restoration.stages import has_colors
from oldrestore.studio.jobs import JobQueue, JobStopped, StudioJob
from oldrestore.studio.likely import LikelyColor
from oldrestore.studio.preview import Preview, remember_features
from oldrestore.studio.replay import restoring_of
from oldrestore.studio.session import (
    History,
    Session,
    SessionNetwork,
    SessionPhotograph,
    SessionSettings,
    check_fits,
    read_session,
    require_photograph,
    write_session,
)

Picture = Literal["original", "mask", "mended", "quick", "result"]
PICTURES: tuple[Picture, ...] = get_args(Picture)
PREVIEWS_KEPT = 4  # photographs at screen size, each with what became of it: some 30 MB


class StaleRevision(UserError):  # noqa: N818 (a fact about a session)
    """A change of a session that has changed since it was looked at."""

    def __init__(self) -> None:
        super().__init__("the session was changed on another page: look at it again")


@dataclass
class OpenPhotograph:
    """A photograph that was named, and its session once it has been opened."""

    task: Task
    history: History | None = None
    owns_results: bool = False  # whether the outputs there are were written for this session
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """Name of its file."""
        return self.task.photo.name

    @property
    def session_file(self) -> Path:
        """File that its session is kept in."""
        return self.task.parts["session"]


class Studio:
    """Photographs by number, coloured by the networks that `load` returns; results and sessions go to `folder`.

    `load` is called once for the pages, and again for each photograph that is saved, so that ``restore`` runs networks
    exactly as its own command does. Sessions are written after every change, and taken up again later.
    """

    def __init__(
        self,
        listed: Sequence[InputFile],
        folder: Path,
        load: Callable[[], Sequence[ChosenNetwork]],
        labelled: bool = True,
    ) -> None:
        parts = PARTS | {"session": ".json"}
        photos = [replace(one, was_named=True) for one in listed if not one.is_film]
        if not photos:
            raise UserError("the studio is for photographs, and there are only films")
        tasks = name_outputs(photos, folder, ["result"], True, RESTORED, parts)
        require_folder(folder)
        self.photographs = [OpenPhotograph(task) for task in tasks]
        self.folder, self.labelled = folder, labelled
        self._load = load
        networks = list(load())
        identities = [chosen.describe()["sha256"] for chosen in networks]
        self.networks = dict(zip(identities, networks, strict=True))
        for chosen in networks:
            chosen.require_color("the studio")
            remember_features(chosen.network)
        self.queue = JobQueue()
        self._previews: OrderedDict[int, Preview] = OrderedDict()

    def describe_networks(self) -> list[dict[str, Any]]:
        """Say which networks there are and what they can do, for the page."""
        return [
            {
                "name": chosen.label,
                "sha256": sha256,
                "reads_hints": tuple(chosen.network.reads[1:2]) == ("hints_b3hw",),
                "has_variants": "logits" in chosen.network.predicts,
            }
            for sha256, chosen in self.networks.items()
        ]

    def photograph(self, number: int) -> OpenPhotograph:
        """Return a photograph by its number."""
        if not 0 <= number < len(self.photographs):
            raise UserError(f"there is no photograph {number}: there are {len(self.photographs)}")
        return self.photographs[number]

    def open(self, number: int) -> Future[History]:
        """Open a photograph and its session, if there is one; the result is its history."""
        one = self.photograph(number)

        def work(job: StudioJob) -> History:
            self._preview(number)
            return one.history

        return self.queue.add(work).future

    def picture(self, number: int, which: Picture) -> Future[tuple[int, np.ndarray]]:
        """Compute a picture at screen size, as the session is when its turn comes; the result names the revision.

        It is uint8 (H, W, 3), for the mask (H, W). A newer request for the same picture takes the place of one that
        waits (`JobStopped`).
        """

        def work(job: StudioJob) -> tuple[int, np.ndarray]:
            preview = self._preview(number)
            history = self.photograph(number).history
            session = history.present
            if which == "original":
                return history.revision, preview.original
            if which in ("quick", "result"):
                return history.revision, preview.result(session, which == "quick")
            made = preview.mended(session)
            if which == "mended":
                return history.revision, made.picture
            empty = np.zeros(made.original.shape[:2], dtype=bool)
            return history.revision, (empty if made.mask_hw is None else made.mask_hw) * np.uint8(255)

        self.photograph(number)
        return self.queue.add(work, replaces=(number, which)).future

    def likely(self, number: int, x: float, y: float) -> Future[tuple[float, list[LikelyColor]]]:
        """Compute the lightness and likely colours of a place; see `Preview.likely`."""

        def work(job: StudioJob) -> tuple[float, list[LikelyColor]]:
            preview = self._preview(number)
            return preview.likely(self.photograph(number).history.present, x, y)

        self.photograph(number)
        return self.queue.add(work, replaces=(number, "likely")).future

    def change(self, number: int, revision: int, how: Callable[[History], History]) -> History:
        """Change the session of an open photograph that is at `revision`, and write it."""
        one = self.photograph(number)
        with one.lock:
            if one.history is None:
                raise UserError(f"'{one.name}' has not been opened")
            if one.history.revision != revision:
                raise StaleRevision
            history = how(one.history)
            session = history.present
            check_fits(session, "the session")
            wanted = session.settings.network
            if wanted is not None and wanted.sha256 not in self.networks:
                raise UserError(f"{wanted.name} is not one of the networks here")
            if session.hints and wanted is not None:
                require_reading_hints([self.networks[wanted.sha256]])
            if history is not one.history:
                write_session(one.session_file, session)
                one.history = history
            return history

    def save(self, number: int) -> StudioJob:
        """Restore the photograph at its own size, as the session is now; the job's result are the files written."""
        one = self.photograph(number)
        with one.lock:
            if one.history is None:
                raise UserError(f"'{one.name}' has not been opened")
            session = one.history.present
        return self.queue.add(lambda job: self._save(one, session, job))

    def close(self) -> None:
        """Stop all work; sessions have been written."""
        self.queue.close()

    def _save(self, one: OpenPhotograph, session: Session, job: StudioJob) -> list[str]:
        wanted = session.settings.network
        networks = self._load() if session.settings.colorize else []
        networks = [one for one in networks if wanted is None or one.describe()["sha256"] == wanted.sha256][:1]
        verb = restoring_of(session, one.task.photo, networks, Running(say=lambda _: None), job.step)
        verb.label_date = day() if self.labelled else None
        task = replace(one.task, parts={part: one.task.parts[part] for part in verb.restorer.parts})
        narrator = Narrator(console=Console(quiet=True))
        require_photograph(session, read_photo(task.photo).sha256, 1, task.photo.name)
        verb.run([task], self.folder, narrator, "replace" if one.owns_results else "refuse")
        if verb.outcome.failed:
            job.step("failed")  # or it was stopped
            raise UserError(verb.outcome.failed[0]["reason"])
        one.owns_results = True
        written = (*task.outputs, *task.parts.values(), task.panel, one.session_file)
        return [str(path) for path in written if path.exists()]

    def _preview(self, number: int) -> Preview:
        """Return a photograph at screen size; open it if this has not been done, or was long ago."""
        if number not in self._previews:
            one = self.photograph(number)
            original = self._read(one)
            self._previews[number] = Preview(original, self.networks)
            while len(self._previews) > PREVIEWS_KEPT:
                self._previews.popitem(last=False)
        self._previews.move_to_end(number)
        return self._previews[number]

    def _read(self, one: OpenPhotograph) -> np.ndarray:
        """Decode a photograph, and begin its session or take it up."""
        if one.task.refused:
            raise UserError(f"'{one.name}' cannot be opened: {one.task.refused}")
        try:
            file = read_photo(one.task.photo)
            original = decode_contents(file.contents).rgb
        except UnreadablePhoto as error:
            raise UserError(f"'{one.name}' cannot be read: {error.reason}") from None
        if one.history is not None:
            require_photograph(one.history.present, file.sha256, file.pages, one.name)
            return original
        height, width = original.shape[:2]
        photograph = SessionPhotograph(name=one.name, sha256=file.sha256, width=width, height=height)
        sha256, chosen = next(iter(self.networks.items()))
        network = SessionNetwork(name=chosen.label, sha256=sha256)
        settings = SessionSettings(colorize=not has_colors(original), network=network)
        session = Session(photograph=photograph, settings=settings)
        require_photograph(session, file.sha256, file.pages, one.name)
        if one.session_file.exists():
            session = read_session(one.session_file)
            try:
                require_photograph(session, file.sha256, file.pages, one.name)
            except UserError as error:
                raise UserError(f"{error}: move '{one.session_file}' away to begin anew") from None
            one.owns_results = True
        one.history = History(session)
        return original


__all__ = ["PICTURES", "JobStopped", "OpenPhotograph", "Picture", "StaleRevision", "Studio"]
