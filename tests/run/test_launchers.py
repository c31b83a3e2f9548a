"""Hydra's launchers carry out the same runs as one process after another, and say when one of them fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from oldrestore.reproduction.comparison import read_records
from tests.workshop import Workshop

SHORT = ["evaluation.judged=null", "trainer.max_iterations=3", "tracking=none"]


def records_by_seed(outputs: Path) -> dict[int, dict]:
    """What each finished run under a folder recorded."""
    folders = [path.parent for path in outputs.glob("tiny/*/config.yaml")]
    return {yaml.safe_load((folder / "config.yaml").read_text())["seed"]: read_records(folder) for folder in folders}


def train(workshop: Workshop, *overrides: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "oldrestore", "train", "-m", *workshop.arguments([*SHORT, *overrides])]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"RAY_DEDUP_LOGS": "0"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "plugin"),
    [
        ("joblib", "hydra_joblib_launcher"),
        ("submitit_local", "hydra_submitit_launcher"),
        ("ray", "hydra_ray_launcher"),
    ],
)
def test_a_launcher_makes_the_same_runs(make_workshop, launcher, plugin):
    pytest.importorskip(f"hydra_plugins.{plugin}")
    alone, launched = make_workshop(), make_workshop()
    for seed in (0, 1):
        assert alone.train(*SHORT, f"seed={seed}")[0] == 0
    done = train(launched, f"hydra/launcher={launcher}", "seed=0,1")
    assert done.returncode == 0, done.stderr
    expected = records_by_seed(alone.outputs)
    assert sorted(expected) == [0, 1]
    assert records_by_seed(launched.outputs) == expected


@pytest.mark.slow
def test_a_job_that_fails_in_another_process_is_told(workshop):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = train(workshop, "hydra/launcher=joblib", "optimizer.learning_rate=1e30,0.002")
    assert done.returncode == 1
    assert "oldrestore: a job failed (" in done.stderr
    assert "Traceback" not in done.stderr
    # The other one was carried out all the same.
    states = sorted(yaml.safe_load(path.read_text())["state"] for path in workshop.outputs.glob("tiny/*/status.json"))
    assert states == ["failed", "finished"]
