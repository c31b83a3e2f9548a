"""The state of each job of a sweep, in one SQLite file that several processes may share."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import psutil

from oldrestore.errors import UserError
from oldrestore.records.liveness import is_alive
from oldrestore.records.run import Run
from oldrestore.sweeps.plan import Job

JobState = Literal["queued", "running", "done", "failed", "interrupted", "pruned", "deleted"]
WAIT = 60.0  # seconds to wait for another process to unlock the file
BEAT = 30.0  # seconds between two signs of life of running jobs
SILENCE = 600.0  # seconds without one, after which a job of another machine counts as gone
GONE = "its process is gone"
DELETED = "its run was deleted"
NEEDED = "files of code "  # and the hash of code: the fact that says which files it is

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS jobs (
    key TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    seed INTEGER NOT NULL,
    code TEXT NOT NULL,
    settings TEXT NOT NULL,
    overrides TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    log TEXT,
    run_id TEXT,
    folder TEXT,
    process TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    started REAL,
    seen REAL,
    ended REAL
)""",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    key: str
    identity: str
    seed: int
    code: str
    settings: dict[str, str]
    # An interrupted job is resumed from its checkpoint; a pruned one was stopped by a search; the run of a deleted one
    # is in the trash, or gone.
    state: JobState
    reason: str | None  # why it failed or was interrupted
    log: str | None  # file with its output
    run_id: str | None
    folder: str | None  # of its run, where it is now, even if the outputs folder was moved as a whole
    process: dict[str, Any] | None  # that runs it: host, pid, process_started
    attempts: int
    seen: float | None  # time of its last sign of life, in seconds since 1970

    def in_words(self) -> str:
        """Return what the job varies, as typed."""
        return " ".join([*(f"{name}={value}" for name, value in self.settings.items()), f"seed={self.seed}"])

    @property
    def is_gone(self) -> bool:
        """Whether the process of a running job has ended; on another machine, whether it is silent."""
        alive = is_alive({"state": "running", **(self.process or {})})
        if alive is None and self.seen is not None:
            return time.time() - self.seen > SILENCE
        return alive is False

    @property
    def is_lost(self) -> bool:
        """Whether it was done and its run folder is missing."""
        return self.state == "done" and not Path(self.folder or "/nowhere", "status.json").is_file()


class Ledger:
    """The ledger of a sweep, ``outputs/sweeps/NAME/ledger.db``, created if missing.

    Every change is one transaction that first takes the file's lock, so that no job is given to two processes. A
    running job belongs to a process; if that is gone, `recover` settles the job.

    Run folders are stored relative to the outputs folder and logs relative to the sweep's, so that they survive a move.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = path.parent.absolute()
        self._outputs = self._folder.parent.parent
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._changing() as connection:
            for statement in _SCHEMA:
                connection.execute(statement)

    def register(self, jobs: Iterable[Job]) -> None:
        """Queue the jobs that are not in the ledger, and note the files that all of them need."""
        with self._changing() as connection:
            for job in jobs:
                if job.needed:
                    fact = f"{NEEDED}{job.code}", json.dumps(job.needed)
                    connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", fact)
                connection.execute(
                    "INSERT OR IGNORE INTO jobs (key, identity, seed, code, settings, overrides, state) "
                    "VALUES (?, ?, ?, ?, ?, ?, 'queued')",
                    (job.key, job.identity, job.seed, job.code, json.dumps(job.settings), json.dumps(job.overrides)),
                )
                # A line of a version that noted no files gets its note.
                connection.execute("UPDATE jobs SET code = ? WHERE key = ?", (job.code, job.key))

    def recover(self, keys: Sequence[str]) -> None:
        """Settle the jobs whose process is gone, by their run folders; one that was stopped may have finished."""
        for entry in self.entries(keys):
            stopped = entry.state == "interrupted" and has_finished(entry.folder)
            if stopped or (entry.state == "running" and entry.is_gone):
                self.finish(entry.key, entry.process, *how_it_ended(entry.folder))

    def queue_again(self, keys: Sequence[str], states: Sequence[JobState]) -> list[str]:
        """Queue the jobs in one of these states, and those that are lost; returns their keys."""
        wanted, changed = set(keys), []
        with self._changing() as connection:
            for entry in self._read(connection):
                if entry.key in wanted and (entry.state in states or entry.is_lost):
                    # An interrupted job keeps its run; a failed or lost one begins a new run.
                    forget = "" if entry.state == "interrupted" else ", run_id = NULL, folder = NULL"
                    connection.execute(
                        f"UPDATE jobs SET state = 'queued', process = NULL{forget} WHERE key = ?", (entry.key,)
                    )
                    changed.append(entry.key)
        return changed

    def claim(self, keys: Sequence[str]) -> Entry | None:
        """Claim the first queued job of these for this process; None if there is none."""
        with self._changing() as connection:
            queued = {key for (key,) in connection.execute("SELECT key FROM jobs WHERE state = 'queued'")}
            key = next((key for key in keys if key in queued), None)
            if key is None:
                return None
            connection.execute(
                "UPDATE jobs SET state = 'running', reason = NULL, process = ?, attempts = attempts + 1, started = ?, "
                "seen = ?, ended = NULL WHERE key = ?",
                (_as_text(process_record(os.getpid())), time.time(), time.time(), key),
            )
            return self._read(connection, "WHERE key = ?", (key,))[0]

    def begin(self, key: str, run_id: str, folder: Path, log: Path, process: dict[str, Any]) -> None:
        """Record the run of a job and the process that runs it (`process_record`)."""
        places = os.path.relpath(folder, self._outputs), os.path.relpath(log, self._folder)
        with self._changing() as connection:
            connection.execute(
                "UPDATE jobs SET run_id = ?, folder = ?, log = ?, process = ? WHERE key = ?",
                (run_id, *places, _as_text(process), key),
            )

    def follow_run(self, run_id: str) -> list[Entry]:
        """Record that the run of a job was deleted or restored, by whether its folder is there; returns the jobs."""
        changed = []
        for entry in self.entries():
            if entry.run_id == run_id:
                is_there = bool(status_of(entry.folder))
                if is_there and entry.state == "deleted":
                    self.finish(entry.key, entry.process, *how_it_ended(entry.folder))
                elif not is_there and entry.state in ("done", "failed", "interrupted"):
                    self.finish(entry.key, entry.process, "deleted", DELETED)
                changed.append(entry)
        return changed

    def beat(self, keys: Sequence[str]) -> None:
        """Record a sign of life of running jobs."""
        with self._changing() as connection:
            for key in keys:
                connection.execute("UPDATE jobs SET seen = ? WHERE key = ?", (time.time(), key))

    def finish(self, key: str, process: dict[str, Any] | None, state: JobState, reason: str | None) -> None:
        """Record how a job ended, unless another process owns it now."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, reason = ?, ended = ? WHERE key = ? AND process IS ?",
                (state, reason, time.time(), key, _as_text(process)),
            )

    def entries(self, keys: Sequence[str] | None = None) -> list[Entry]:
        """Return the lines of these jobs, in their order; by default of all."""
        with closing(self._connect()) as connection:
            entries = {entry.key: entry for entry in self._read(connection)}
        return list(entries.values()) if keys is None else [entries[key] for key in keys if key in entries]

    def notes(self) -> dict[str, dict[str, str]]:
        """Return which files, by their hashes, each hash of code is; lines of earlier versions have none."""
        return {code: json.loads(needed) for code, needed in self.facts(NEEDED).items()}

    def facts(self, beginning: str) -> dict[str, str]:
        """Return every fact whose name has this prefix, by the rest of its name."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT name, value FROM facts").fetchall()
        return {name.removeprefix(beginning): value for name, value in rows if name.startswith(beginning)}

    @contextmanager
    def settle_fact(self, name: str) -> Iterator[list[str]]:
        """Lock the ledger while a fact is determined that must be determined only once.

        The list that is yielded contains the fact if it is known; else what is appended becomes the fact.
        """
        with self._changing() as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            fact = [] if row is None else [row[0]]
            yield fact
            if row is None and fact:
                connection.execute("INSERT INTO facts VALUES (?, ?)", (name, fact[0]))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
        except sqlite3.Error as error:
            raise UserError(f"the ledger {self.path} cannot be opened: {error}") from None

    def _read(self, connection: sqlite3.Connection, where: str = "", values: tuple = ()) -> list[Entry]:
        connection.row_factory = sqlite3.Row
        names = [field.name for field in fields(Entry)]
        rows = connection.execute(f"SELECT {', '.join(names)} FROM jobs {where} ORDER BY rowid", values)
        entries = []
        for row in map(dict, rows):
            row["settings"] = json.loads(row["settings"])
            row["process"] = json.loads(row["process"]) if row["process"] else None
            row["folder"] = _below(self._outputs, row["folder"])
            row["log"] = _below(self._folder, row["log"])
            entries.append(Entry(**row))
        return entries


def _below(root: Path, written: str | None) -> str | None:
    """Return a path as it is now; earlier ledgers stored absolute paths, of which the last two parts still hold."""
    if written is None:
        return None
    here = root.joinpath(*(Path(written).parts[-2:] if Path(written).is_absolute() else (written,)))
    return written if Path(written).is_absolute() and not here.exists() else str(here)


def process_record(pid: int) -> dict[str, Any]:
    """Describe a process so that it is not confused with a later one of the same number."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        started = 0.0  # gone already
    return {"host": socket.gethostname(), "pid": pid, "process_started": started}


def how_it_ended(folder: str | None) -> tuple[JobState, str | None]:
    """Return the state of a job whose process is gone, by its run folder, and the reason."""
    status = status_of(folder)
    if not status:
        return "interrupted", "its process is gone before its run began"
    if has_finished(folder):
        return "done", None
    if status.get("state") == "failed":
        return "failed", status.get("reason")
    return "interrupted", status.get("reason") or GONE


def has_finished(folder: str | None) -> bool:
    """Whether the run in a folder has finished."""
    return status_of(folder).get("state") == "finished"


def status_of(folder: Path | str | None) -> dict[str, Any]:
    """Return the status of a job's run; empty if it has none."""
    try:
        return Run(Path(folder or "/nowhere")).status
    except UserError:
        return {}


def _as_text(process: dict[str, Any] | None) -> str | None:
    return None if process is None else json.dumps(process)
