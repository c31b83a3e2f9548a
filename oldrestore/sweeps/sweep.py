"""Carries out a sweep: claims jobs of its ledger until none is left, several at once if asked to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from oldrestore.signals import handling
from oldrestore.sweeps.launch import Launched, launch
from oldrestore.sweeps.ledger import BEAT, Entry, JobState, Ledger
from oldrestore.sweeps.plan import Job, snapshot_configuration

FOLDER = "sweeps"
POLL = 0.1  # seconds between two looks at the jobs under way


class Sweep:
    """The jobs of a sweep, and the ledger that they have in ``outputs/sweeps/NAME``.

    Parameters
    ----------
    name : str
    jobs : sequence of Job
        Of `oldrestore.sweeps.plan.plan_jobs`.

    Attributes
    ----------
    folder : Path
        ``ledger.db``, ``configuration/``, ``jobs/``, ``logs/`` and the tables.
    ledger : Ledger
    first : Job
        One of them: what they share is read from it.
    """

    def __init__(self, name: str, jobs: Sequence[Job]) -> None:
        self.name = name
        self.jobs = {job.key: job for job in jobs}
        self.first = jobs[0]
        self.outputs = Path(self.first.config["outputs"])
        self.folder = self.outputs.absolute() / FOLDER / name
        self.keys = list(self.jobs)
        self._stopped = False
        self._active: list[Launched] = []

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger; the first look makes it."""
        return Ledger(self.folder / "ledger.db")

    def entries(self) -> list[Entry]:
        """Lines of these jobs; of a sweep that has not begun, none, and nothing is made."""
        return self.ledger.entries(self.keys) if (self.folder / "ledger.db").is_file() else []

    def begin(self, retry_failed: bool) -> list[Entry]:
        """Queue what is to be done; returns the ledger's lines as they are then.

        What is done stays while its run folder does; what was interrupted is queued to go on, and what failed only if
        `retry_failed`.
        """
        ledger = self.ledger
        snapshot_configuration(self.folder / "configuration")
        ledger.register(self.jobs.values())
        ledger.recover(self.keys)
        ledger.queue_again(self.keys, ("interrupted", "failed") if retry_failed else ("interrupted",))
        return ledger.entries(self.keys)

    def carry_out(self, slots: int, threads_set: bool, say: Callable[[str], None]) -> None:
        """Carry out what is queued, `slots` jobs at once; a signal stops the jobs under way and then returns.

        Several processes may do so at the same time: each job is carried out by one of them.
        """
        ledger, beaten = self.ledger, time.monotonic()
        with self._listening(say):
            while True:
                free = [slot for slot in range(slots) if slot not in {job.slot for job in self._active}]
                while free and not self._stopped:
                    entry = self._next(ledger)
                    if entry is None:
                        break
                    self._start(ledger, entry, free.pop(0), slots, threads_set, say)
                if not self._active:
                    return
                time.sleep(POLL)
                self._collect(ledger, say)
                if time.monotonic() - beaten > BEAT:
                    ledger.beat([launched.key for launched in self._active])
                    beaten = time.monotonic()

    def of_other_code(self) -> str:
        """Say how many of the jobs are done with other code, and therefore run anew; empty where none are."""
        wanted = {(job.identity, job.seed): job.code for job in self.jobs.values()}
        others = {
            (entry.identity, entry.seed)
            for entry in self.ledger.entries()
            if entry.state == "done" and wanted.get((entry.identity, entry.seed), entry.code) != entry.code
        }
        return f" ({len(others)} were done with other code)" if others else ""

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Say whether everything that was to be done is, or is being done elsewhere, by the lines of the ledger."""
        return not self._stopped and all(entry.state in ("done", "running") for entry in entries)

    @property
    def stopped(self) -> bool:
        """Whether a signal ended it."""
        return self._stopped

    def _start(
        self, ledger: Ledger, entry: Entry, slot: int, slots: int, threads_set: bool, say: Callable[[str], None]
    ) -> None:
        job = self.jobs[entry.key]
        try:
            launched = launch(job, entry, ledger, self.folder, slot, slots, threads_set)
        except OSError as error:
            ledger.finish(entry.key, entry.process, "failed", f"it could not be started: {error}")
            return
        self._active.append(launched)
        say(f"started     {in_words(entry)}\n            {launched.log}")

    def _collect(self, ledger: Ledger, say: Callable[[str], None]) -> None:
        for launched in list(self._active):
            ended = launched.ended()
            if ended is None:
                self._watch(launched)
                continue
            self._active.remove(launched)
            state, reason = self._judge(launched, *ended)
            ledger.finish(launched.key, launched.record, state, reason)
            (entry,) = ledger.entries([launched.key])
            say(f"{state:<11} {in_words(entry)}" + (f": {reason}" if reason else ""))

    def _next(self, ledger: Ledger) -> Entry | None:
        """Claim the next job; None if there is none."""
        return ledger.claim(self.keys)

    def _watch(self, launched: Launched) -> None:
        """Look at a job under way."""

    def _judge(self, launched: Launched, state: JobState, reason: str | None) -> tuple[JobState, str | None]:
        """Return what the ledger is to say of a job that has ended."""
        return state, reason

    def _listening(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        def stop(number: int, frame: object) -> None:
            if not self._stopped:
                count = len(self._active)
                who = "1 job writes" if count == 1 else f"{count} jobs write"
                say(f"stopping    {who} a checkpoint ({signal.Signals(number).name})")
            self._stopped = True
            for launched in self._active:
                launched.stop()

        return handling((signal.SIGINT, signal.SIGTERM), stop)


def in_words(entry: Entry) -> str:
    """Return what a job varies, as typed."""
    return " ".join([*(f"{name}={value}" for name, value in entry.settings.items()), f"seed={entry.seed}"])
