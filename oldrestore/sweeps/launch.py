"""Runs one job of a sweep in its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.config.location import PACKAGE
from oldrestore.files import write_atomically
from oldrestore.records.identity import new_run_id
from oldrestore.runtime import physical_cores
from oldrestore.sweeps.ledger import GONE, Entry, JobState, Ledger, has_finished, how_it_ended, process_record
from oldrestore.sweeps.plan import Job

WRONG_REQUEST = 2  # exit code


@dataclass
class Launched:
    """A running job; `slot` is its place among concurrent jobs, `record` how the ledger knows its process.

    `resumed` says whether it continues a run, `stopped` by which signal it was asked to stop.
    """

    key: str
    process: subprocess.Popen
    folder: Path
    log: Path
    slot: int
    record: dict[str, Any]
    resumed: bool = False
    stopped: str | None = None
    began: float = field(default_factory=time.monotonic)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to write a checkpoint and exit."""
        if self.process.poll() is None:
            self.stopped = signal.Signals(number).name
            # While Python starts, a SIGINT may be swallowed; a SIGTERM ends it.
            begun = (self.folder / "status.json").is_file()
            self.process.send_signal(number if begun else signal.SIGTERM)

    def ended(self) -> tuple[JobState, str | None] | None:
        """Return how it ended; None while it is running."""
        code = self.process.poll()
        if code is None:
            return None
        # A run that has finished stays so, whatever a signal did to the process on its way out.
        if code == 0 or has_finished(str(self.folder)):
            return "done", None
        if code < 0:
            asked = self.stopped if -code in (signal.SIGINT, signal.SIGTERM) else None
            return "interrupted", f"stopped by {asked}" if asked else f"killed by {signal.Signals(-code).name}"
        begun = (self.folder / "status.json").is_file()
        if self.stopped and not begun:
            return "interrupted", f"stopped by {self.stopped}"
        state, reason = how_it_ended(str(self.folder)) if begun else ("failed", None)
        if code != WRONG_REQUEST and reason not in (None, GONE):
            return state, reason
        lines = list(filter(None, map(str.strip, self.log.read_text("utf-8", errors="replace").splitlines())))
        complaints = [line.removeprefix("oldrestore: ") for line in lines if line.startswith("oldrestore: ")]
        return "failed", (complaints or lines or ["it said nothing"])[-1][:500]


def launch(job: Job, entry: Entry, ledger: Ledger, place: Path, slot: int, slots: int, threads_set: bool) -> Launched:
    """Start a job, or resume its interrupted run.

    `entry` is its line of the ledger, claimed by this process. `place` is the sweep's folder, for the job's file and
    its log. `slot` is its place among `slots` concurrent jobs: each has its own GPU if there are enough, and its share
    of the cores unless the user has chosen the number of threads.
    """
    outputs, experiment = Path(job.config["outputs"]).absolute(), job.config["experiment"]
    resume = entry.folder if entry.folder and (Path(entry.folder) / "config.yaml").is_file() else None
    run_id = str(entry.run_id) if resume else new_run_id()
    folder = Path(resume) if resume else outputs / experiment / run_id
    request = place / "jobs" / f"{job.key}.json"
    config = {**job.config, "outputs": str(outputs), "run_id": run_id}
    overrides = [text for text in job.overrides if not text.startswith("run_id=")]
    content = {"config": config, "overrides": overrides, "choices": job.choices, "resume": resume}
    write_atomically(request, json.dumps(content, indent=1) + "\n")
    log = place / "logs" / f"{job.key}-{entry.attempts}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **shares(job.config, slot, slots, threads_set)}
    command = [sys.executable, "-P", "-m", "oldrestore", "sweep", "--job", str(request)]
    with log.open("ab") as file:
        # A session of its own: Ctrl-C reaches this process alone, which passes it on.
        streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, env=environment, **streams, start_new_session=True)
    record = process_record(process.pid)
    ledger.begin(job.key, run_id, folder, log, record)
    return Launched(job.key, process, folder, log, slot, record, resumed=resume is not None)


def shares(config: dict[str, Any], slot: int, slots: int, threads_set: bool) -> dict[str, str]:
    """Return the environment that gives a job its GPU, or one for each of its processes, and its share of the cores."""
    environment = {}
    processes = config["trainer"].get("processes") or 1
    gpus = visible_gpus() if config["trainer"]["device"] in ("auto", "gpu") else []
    if gpus:
        own = [gpus[number % len(gpus)] for number in range(slot * processes, (slot + 1) * processes)]
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(dict.fromkeys(own))
    if slots > 1 and not threads_set:
        environment["OMP_NUM_THREADS"] = str(max(1, physical_cores() // (slots * processes)))
    return environment


def visible_gpus() -> list[str]:
    """Names of the available GPUs, as CUDA_VISIBLE_DEVICES takes them, without importing Paddle."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name.strip() for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name.strip()]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, encoding="utf-8", errors="replace", timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):  # it may be missing
        return []
    return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]
