"""Work of the studio: one job at a time in a thread of its own, in order, with progress; each can be stopped."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from oldrestore.errors import UserError

MOST_KEPT = 100  # jobs that ended, of which one can still ask
MOST_WAITING = 50


class JobStopped(Exception):  # noqa: N818 (a decision of the user, not an error)
    """A job was stopped, or another took its place before it began; `reason` says so."""

    reason = "stopped"


class StudioJob:
    """A piece of work. `future` has its result, or `JobStopped`, or what went wrong."""

    def __init__(self, number: int, work: Callable[[StudioJob], Any], replaces: Hashable) -> None:
        self.number = number
        self.stage = "waiting"  # or the name of what it does
        self.future: Future[Any] = Future()
        self._work, self.replaces = work, replaces
        self._stop = threading.Event()

    def step(self, stage: str) -> None:
        """Say what the job does next; raises `JobStopped` if it was stopped."""
        if self._stop.is_set():
            raise JobStopped
        self.stage = stage

    def stop(self) -> None:
        """Stop before the job begins, or at its next step."""
        self._stop.set()

    def run(self) -> None:
        """Do the work."""
        try:
            self.step("running")
            result = self._work(self)
        except BaseException as error:  # noqa: BLE001 (whoever waits for the result gets it)
            self.stage = "stopped" if isinstance(error, JobStopped) else "failed"
            self.future.set_exception(error)
        else:
            self.stage = "done"
            self.future.set_result(result)


class JobQueue:
    """Runs jobs one after another; a waiting job gives way to a newer one of the same kind."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: deque[StudioJob] = deque()
        self._known: OrderedDict[int, StudioJob] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="studio", daemon=True)
        self._thread.start()

    def add(self, work: Callable[[StudioJob], Any], replaces: Hashable = None) -> StudioJob:
        """Queue work, which is given its job. Waiting jobs with an equal `replaces`, unless None, are stopped."""
        with self._changed:
            if self._closed:
                raise UserError("the studio is closing")
            outdated = [job for job in self._waiting if replaces is not None and job.replaces == replaces]
            if len(self._waiting) - len(outdated) >= MOST_WAITING:
                raise UserError(f"{MOST_WAITING} jobs are waiting already: try again when some are done")
            for job in outdated:
                self._drop(job)
            job = StudioJob(next(self._numbers), work, replaces)
            self._waiting.append(job)
            self._known[job.number] = job
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
            self._changed.notify()
        return job

    def find(self, number: int) -> StudioJob | None:
        """Return a job by its number."""
        return self._known.get(number)

    def stop(self, job: StudioJob) -> None:
        """Stop a job: at once if it waits, else at its next step."""
        with self._changed:
            if job in self._waiting:
                self._drop(job)
            else:
                job.stop()

    def close(self, seconds: float = 10.0) -> None:
        """Stop every job and wait for the running one."""
        with self._changed:
            self._closed = True
            for job in [*self._waiting]:
                self._drop(job)
            for job in self._known.values():
                job.stop()
            self._changed.notify()
        self._thread.join(seconds)

    def _drop(self, job: StudioJob) -> None:
        self._waiting.remove(job)
        job.stop()
        job.run()  # ends at its first step

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed and not self._waiting:
                    return
                job = self._waiting.popleft()
            job.run()
