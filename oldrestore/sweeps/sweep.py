"""Runs a sweep: claims jobs from its ledger until none is left, several at once if requested."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from oldrestore.records.identity import results_code_hash
from oldrestore.signals import handling
from oldrestore.sweeps.known_jobs import known_jobs
from oldrestore.sweeps.launch import Launched, launch
from oldrestore.sweeps.ledger import BEAT, Entry, JobState, Ledger
from oldrestore.sweeps.plan import Job, snapshot_configuration

FOLDER = "sweeps"
POLL = 0.1  # seconds between two looks at the running jobs


class Sweep:
    """The jobs of a sweep, and their ledger in ``outputs/sweeps/NAME``.

    `folder` contains ``ledger.db``, ``configuration/``, ``jobs/``, ``logs/`` and the tables; `first` is one of the
    jobs, for what they share; `known` is what changed of jobs that the ledger had before. With `keep_done`, jobs that
    are done count although the code that they need has changed.
    """

    def __init__(self, name: str, jobs: Sequence[Job], keep_done: bool = False) -> None:
        self.name = name
        self.keep_done = keep_done
        self.first = jobs[0]
        self.outputs = Path(self.first.config["outputs"])
        self.folder = self.outputs.absolute() / FOLDER / name
        begun = (self.folder / "ledger.db").is_file()
        entries, notes = (self.ledger.entries(), self.ledger.notes()) if begun else ([], {})
        self.known = known_jobs(jobs, entries, notes, results_code_hash, keep_done)
        self.jobs = self.known.jobs
        self.keys = list(self.jobs)
        self.stopped = False  # by a signal
        self._active: list[Launched] = []

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, created on first use."""
        return Ledger(self.folder / "ledger.db")

    def entries(self) -> list[Entry]:
        """Lines of these jobs; none, and nothing is created, if the sweep has not begun."""
        return self.ledger.entries(self.keys) if (self.folder / "ledger.db").is_file() else []

    def begin(self, retry_failed: bool) -> list[Entry]:
        """Queue what is to be done, and return the ledger's lines.

        Done jobs whose run folder exists are kept; interrupted ones are queued to resume, and failed ones only with
        `retry_failed`.
        """
        ledger = self.ledger
        snapshot_configuration(self.folder / "configuration")
        ledger.register(self.jobs.values())
        ledger.recover(self.keys)
        ledger.queue_again(self.keys, ("interrupted", "failed") if retry_failed else ("interrupted",))
        return ledger.entries(self.keys)

    def carry_out(self, slots: int, threads_set: bool, say: Callable[[str], None]) -> None:
        """Run what is queued, `slots` jobs at once; a signal stops the running jobs and then returns.

        Several processes may do so at the same time: each job is run by one of them.
        """
        ledger, beaten = self.ledger, time.monotonic()

        def stop(number: int, frame: object) -> None:
            if not self.stopped:
                count = len(self._active)
                who = "1 job writes" if count == 1 else f"{count} jobs write"
                say(f"stopping    {who} a checkpoint ({signal.Signals(number).name})")
            self.stopped = True
            for launched in self._active:
                launched.stop(number)

        with handling((signal.SIGINT, signal.SIGTERM), stop):
            while True:
                free = [slot for slot in range(slots) if slot not in {job.slot for job in self._active}]
                while free and not self.stopped:
                    entry = self.claim()
                    if entry is None:
                        break
                    place = self.folder, free.pop(0), slots, threads_set
                    try:
                        launched = launch(self.jobs[entry.key], entry, ledger, *place)
                    except OSError as error:
                        ledger.finish(entry.key, entry.process, "failed", f"it could not be started: {error}")
                        continue
                    self._active.append(launched)
                    how = "continued" if launched.resumed else "started"
                    say(f"{how:<11} {entry.in_words()}\n            {launched.log}")
                if not self._active:
                    return
                time.sleep(POLL)
                self._collect(ledger, say)
                if time.monotonic() - beaten > BEAT:
                    ledger.beat([launched.key for launched in self._active])
                    beaten = time.monotonic()

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Whether every job is done, or is running elsewhere."""
        return not self.stopped and all(entry.state in ("done", "running") for entry in entries)

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
            say(f"{state:<11} {entry.in_words()}" + (f": {reason}" if reason else ""))

    def claim(self) -> Entry | None:
        """Claim the next job; None if there is none."""
        return self.ledger.claim(self.keys)

    def _watch(self, launched: Launched) -> None:
        """Look at a running job."""

    def _judge(self, launched: Launched, state: JobState, reason: str | None) -> tuple[JobState, str | None]:
        """Return what the ledger records about a job that has ended."""
        return state, reason
