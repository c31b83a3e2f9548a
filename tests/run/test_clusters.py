"""Under Slurm a stopped job goes back into the queue and continues; Hydra's launchers carry out the same runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.records.run import Run
from oldrestore.reproduction.comparison import read_records
from oldrestore.run.one_run import requeue
from tests.run.same_run import last
from tests.workshop import Workshop

TRAIN = [sys.executable, "-m", "oldrestore", "train"]
LIGHT = ["evaluation.judged=null", "tracking=none"]


def make_scontrol(folder: Path, code: int = 0) -> Path:
    """A stand-in for Slurm's scontrol that writes down how it was called."""
    path = folder / "scontrol"
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\necho "no such job" >&2\nexit {code}\n')
    path.chmod(0o755)
    return folder


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{make_scontrol(tmp_path)}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    return tmp_path


def test_scontrol_is_asked_for_this_job_after_slurms_signals_only(slurm, monkeypatch):
    for name in ("SIGTERM", "SIGUSR1"):
        assert "back in the queue" in requeue(f"stopped by {name}")
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
    settings = ["trainer.max_iterations=100000", "trainer.evaluate_every=0", "trainer.requeue=true", "resume=auto"]
    command = [*TRAIN, *workshop.arguments([*LIGHT, *settings])]
    iterations = []
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("iter:") and not line.startswith("iter:0 "):
                process.send_signal(signal.SIGUSR1)
                break
        printed, error = process.communicate(timeout=120)
        assert process.returncode == 1, error
        assert "the job 4711 is back in the queue" in printed
        (folder,) = workshop.outputs.glob("tiny/*")
        assert printed.splitlines()[-1] == str(folder)
        status = Run(folder).status
        assert (status["state"], status["slurm_job_id"]) == ("killed", "4711")
        iterations.append(last(folder).state["iteration"])
        assert Run(folder).curves["train/loss"].iterations.tolist() == list(range(iterations[-1]))
    assert iterations[1] > iterations[0] > 0
    assert (slurm / "calls").read_text().splitlines() == ["requeue 4711"] * 2


SHORT = [*LIGHT, "trainer.max_iterations=3"]


def records_by_seed(outputs: Path) -> dict[int, dict]:
    """What each finished run under a folder recorded."""
    return {Run(folder).seed: read_records(folder) for folder in outputs.glob("tiny/*")}


def train_several(workshop: Workshop, *overrides: str) -> subprocess.CompletedProcess:
    command = [*TRAIN, "-m", *workshop.arguments([*SHORT, *overrides])]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"RAY_DEDUP_LOGS": "0"})


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_a_launcher_trains_the_same_runs(make_workshop, launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher")
    alone, launched = make_workshop(), make_workshop()
    for seed in (0, 1):
        assert alone.train(*SHORT, f"seed={seed}")[0] == 0
    done = train_several(launched, f"hydra/launcher={launcher}", "seed=0,1")
    assert done.returncode == 0, done.stderr
    expected = records_by_seed(alone.outputs)
    assert sorted(expected) == [0, 1]
    assert records_by_seed(launched.outputs) == expected


@pytest.mark.slow
def test_a_job_that_fails_in_another_process_is_told(workshop):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = train_several(workshop, "hydra/launcher=joblib", "optimizer.learning_rate=1e30,0.002")
    assert done.returncode == 1
    assert "oldrestore: a job failed (" in done.stderr
    assert "Traceback" not in done.stderr
    # The other one was carried out all the same.
    assert sorted(Run(folder).state for folder in workshop.outputs.glob("tiny/*")) == ["failed", "finished"]
