"""Puts a job that was told to stop back into Slurm's queue."""

from __future__ import annotations

import os
import subprocess

# Ctrl-C is a person, who means it.
REQUEUED_AFTER = ("SIGTERM", "SIGUSR1")


def requeue(reason: str | None) -> str | None:
    """Ask Slurm to run this very job again; returns what happened as a line, None where there is nothing to do.

    Parameters
    ----------
    reason : str or None
        Why the run stopped; only after a signal of `REQUEUED_AFTER` it is to go on.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or not any(name in (reason or "") for name in REQUEUED_AFTER):
        return None
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return None  # one process speaks for the job
    try:
        done = subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, encoding="utf-8", errors="replace", timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"the job {job} could not be put back into the queue: {error}"
    if done.returncode != 0:
        words = " ".join(done.stderr.split()) or f"scontrol ended with {done.returncode}"
        return f"the job {job} could not be put back into the queue: {words}"
    return f"the job {job} is back in the queue, and goes on with resume=auto"
