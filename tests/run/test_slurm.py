"""A job that is told to stop saves, goes back into the queue, and goes on from there."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.records.run import Run
from oldrestore.run.one_run import requeue
from oldrestore.training.checkpoint import load_checkpoint


def make_scontrol(folder: Path, code: int = 0) -> Path:
    """A stand-in for Slurm's scontrol that writes down how it was called."""
    path = folder / "scontrol"
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\necho "no such job" >&2\nexit {code}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{make_scontrol(tmp_path)}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    return tmp_path


def test_scontrol_is_asked_for_this_job_after_slurms_signals_only(slurm, monkeypatch):
    assert "back in the queue" in requeue("stopped by SIGTERM")
    assert "back in the queue" in requeue("stopped by SIGUSR1")
    assert requeue("stopped by SIGINT") is None
    assert (slurm / "calls").read_text().splitlines() == ["requeue 4711"] * 2
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert requeue("stopped by SIGTERM") is None
    monkeypatch.delenv("SLURM_PROCID")
    make_scontrol(slurm, code=1)
    assert "could not be put back into the queue: no such job" in requeue("stopped by SIGTERM")
    (slurm / "scontrol").unlink()
    monkeypatch.setenv("PATH", str(slurm))
    assert "could not be put back into the queue" in requeue("stopped by SIGTERM")
    monkeypatch.delenv("SLURM_JOB_ID")
    assert requeue("stopped by SIGTERM") is None


@pytest.mark.slow
def test_a_job_saves_is_requeued_and_goes_on(slurm, workshop):
    arguments = workshop.arguments(
        [
            "trainer.max_iterations=100000",
            "trainer.evaluate_every=0",
            "trainer.requeue=true",
            "evaluation.judged=null",
            "tracking=none",
            "resume=auto",
        ]
    )
    command = [sys.executable, "-m", "oldrestore", "train", *arguments]
    iterations = []
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("iter:") and not line.startswith("iter:0 "):
                process.send_signal(signal.SIGUSR1)
                break
        said, error = process.communicate(timeout=120)
        assert process.returncode == 1, error
        assert "the job 4711 is back in the queue" in said
        (folder,) = workshop.outputs.glob("tiny/*")
        assert said.splitlines()[-1] == str(folder)
        status = Run(folder).status
        assert (status["state"], status["slurm_job_id"]) == ("killed", "4711")
        iterations.append(load_checkpoint(folder / "checkpoints" / "last.safetensors").state["iteration"])
        assert Run(folder).curves["train/loss"].iterations.tolist() == list(range(iterations[-1]))
    assert iterations[1] > iterations[0] > 0
    assert (slurm / "calls").read_text().splitlines() == ["requeue 4711"] * 2
