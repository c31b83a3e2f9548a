"""Runs a sweep: claims jobs from its ledger until none is left, several at once if requested."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from oldrestore.records.identity import results_code_hash
from oldrestore.report.searched import Searched
from oldrestore.signals import handling
from oldrestore.sweeps.job_bars import JobBars
from oldrestore.sweeps.known_jobs import known_jobs
from oldrestore.sweeps.launch import Launched, launch
from oldrestore.sweeps.ledger import BEAT, Entry, JobState, Ledger
from oldrestore.sweeps.plan import Job, snapshot_configuration
from oldrestore.sweeps.summary import results_of

FOLDER = "sweeps"
POLL = 0.1  # seconds between two looks at the running jobs
LOOK = 1.0  # seconds between two looks at what they have recorded


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
        self._seconds: list[float] = []  # of jobs that are done

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, created on first use."""
        return Ledger(self.folder / "ledger.db")

    def entries(self) -> list[Entry]:
        """Lines of these jobs; none, and nothing is created, if the sweep has not begun."""
        return self.ledger.entries(self.keys) if (self.folder / "ledger.db").is_file() else []

    def begin(self, retry_failed: bool, retry_deleted: bool = False) -> list[Entry]:
        """Queue what is to be done, and return the ledger's lines.

        Done jobs whose run folder exists are kept; interrupted ones are queued to resume, failed ones only with
        `retry_failed`, and those whose run a person deleted only with `retry_deleted`.
        """
        ledger = self.ledger
        snapshot_configuration(self.folder / "configuration")
        ledger.register(self.jobs.values())
        ledger.recover(self.keys)
        asked = ("failed",) * retry_failed + ("deleted",) * retry_deleted
        ledger.queue_again(self.keys, ("interrupted", *asked))
        return ledger.entries(self.keys)

    def carry_out(self, slots: int, threads_set: bool, say: Callable[[str], None]) -> None:
        """Run what is queued, `slots` jobs at once; a signal stops the running jobs and then returns.

        Several processes may do so at the same time: each job is run by one of them.
        """
        ledger, beaten, looked = self.ledger, time.monotonic(), 0.0

        def stop(number: int, frame: object) -> None:
            if not self.stopped:
                count = len(self._active)
                who = "1 job writes" if count == 1 else f"{count} jobs write"
                say(f"stopping    {who} a checkpoint ({signal.Signals(number).name})")
            self.stopped = True
            for launched in self._active:
                launched.stop(number)

        with JobBars(self.metric) as bars, handling((signal.SIGINT, signal.SIGTERM), stop):
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
                    iterations = self.jobs[entry.key].config["trainer"].get("max_iterations")
                    bars.add(entry.key, entry.in_words(), iterations, launched.folder)
                    how = "continued" if launched.resumed else "started"
                    say(f"{how:<11} {entry.in_words()}\n            {launched.log}")
                if not self._active:
                    return
                time.sleep(POLL)
                for launched in self._collect(ledger, slots, say):
                    bars.remove(launched.key)
                if time.monotonic() - looked > LOOK:
                    bars.look()
                    looked = time.monotonic()
                if time.monotonic() - beaten > BEAT:
                    ledger.beat([launched.key for launched in self._active])
                    beaten = time.monotonic()

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Whether every job is done, was deleted since, or is running elsewhere."""
        return not self.stopped and all(entry.state in ("done", "deleted", "running") for entry in entries)

    @property
    def metric(self) -> str:
        """The measure that a job's line shows."""
        return self.first.config["trainer"].get("monitor", "val/loss")

    def left(self) -> int:
        """Return how many jobs have not ended, whichever process runs them."""
        return sum(entry.state in ("queued", "running") for entry in self.ledger.entries(self.keys))

    def searched(self) -> Searched | None:
        """Return what the report shows of a search; None, for all jobs of a sweep are as requested."""
        return None

    def _collect(self, ledger: Ledger, slots: int, say: Callable[[str], None]) -> list[Launched]:
        """Record and say which jobs have ended, and return them."""
        over = []
        for launched in list(self._active):
            ended = launched.ended()
            if ended is None:
                self._watch(launched)
                continue
            self._active.remove(launched)
            over.append(launched)
            state, reason = self._judge(launched, *ended)
            ledger.finish(launched.key, launched.record, state, reason)
            (entry,) = ledger.entries([launched.key])
            seconds = time.monotonic() - launched.began
            self._seconds += [seconds] if state == "done" and not launched.resumed else []
            score = results_of(launched.folder).get(self.metric) if state == "done" else None
            ending = [reason] if reason else []
            ending += [in_words(seconds)] if score is None else [f"{self.metric} {score:.4g}", in_words(seconds)]
            left = self.left()
            if left and not self.stopped:
                about = statistics.fmean(self._seconds) * left / slots if self._seconds else None
                ending.append(f"{left} left" + ("" if about is None else f", about {in_words(about)}"))
            say(f"{state:<11} {entry.in_words()}: {'; '.join(ending)}")
        return over

    def claim(self) -> Entry | None:
        """Claim the next job; None if there is none."""
        return self.ledger.claim(self.keys)

    def _watch(self, launched: Launched) -> None:
        """Look at a running job."""

    def _judge(self, launched: Launched, state: JobState, reason: str | None) -> tuple[JobState, str | None]:
        """Return what the ledger records about a job that has ended."""
        return state, reason


def in_words(seconds: float) -> str:
    """Return a time as hours, minutes and seconds: 0:02:03."""
    return str(timedelta(seconds=round(seconds)))
