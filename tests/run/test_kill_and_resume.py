"""Killed with -9 again and again, a run still ends as if it had never stopped; its trackers have each step once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint
from tests.run.test_resuming import SHORT, assert_same_run, stopped_run

KILLS = 20
ITERATIONS = 300  # on an idle machine an attempt trains up to fifteen before it is killed


def mlflow_steps(outputs: Path, run_id: str) -> tuple[dict[str, list[int]], object]:
    """Steps of every metric of the only MLflow run with this run id, and its record."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    (record,) = client.search_runs([experiment.experiment_id], f"tags.run_id = '{run_id}'")
    steps = {
        name: sorted(metric.step for metric in client.get_metric_history(record.info.run_id, name))
        for name in record.data.metrics
    }
    return steps, record


def assert_trackers_have_each_step_once(folder: Path) -> None:
    from visualdl import LogReader

    curves = Run(folder).curves
    steps, record = mlflow_steps(folder.parent.parent, folder.name)
    assert record.info.status == "FINISHED"
    assert "reason" not in record.data.tags
    own = {name: found for name, found in steps.items() if not name.startswith(("system/", "summary/"))}
    assert own == {name: curve.iterations.tolist() for name, curve in curves.items()}
    assert all(max(Counter(found).values()) == 1 for found in steps.values())
    for name, value in Run(folder).status["summary"].items():
        assert record.data.metrics[f"summary/{name}"] == value
    (file,) = (folder / "visualdl").iterdir()
    reader = LogReader(file_path=str(file))
    for name, curve in curves.items():
        points = reader.get_data("scalar", name)
        assert [point.id for point in points] == curve.iterations.tolist()
        assert [point.value for point in points] == pytest.approx(curve.values.tolist(), rel=1e-6)
    panels = [point.id for point in reader.get_data("image", "validation")]
    assert panels == curves["val/loss"].iterations.tolist()


def test_a_run_that_was_stopped_goes_on_in_the_same_mlflow_run_and_visualdl_file(workshop, monkeypatch):
    folder = stopped_run(workshop, monkeypatch, *SHORT[1:], "tracking=default", "tracking.mlflow.system_metrics=false")
    before = mlflow_steps(workshop.outputs, folder.name)[1]
    assert (before.info.status, before.data.tags["reason"]) == ("KILLED", "stopped by SIGTERM")
    # As after a crash: MLflow has a step that is trained again, and lacks one that is not.
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{workshop.outputs / 'mlflow.db'}")
    client.log_metric(before.info.run_id, "train/loss", 9.0, step=4)
    assert main(["train", f"resume={folder}"]) == 0
    after = mlflow_steps(workshop.outputs, folder.name)[1]
    assert after.info.run_id == before.info.run_id
    assert after.data.params == before.data.params
    assert_trackers_have_each_step_once(folder)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_at_random_moments_leave_no_trace(make_workshop):
    settings = [
        "evaluation.judged=null",
        f"trainer.max_iterations={ITERATIONS}",
        "trainer.log_every=7",
        "trainer.evaluate_every=20",
        "trainer.checkpoint_every=2",
        "trainer.keep_every=50",
        "tracking.mlflow.system_metrics=false",
        "tracking.mlflow.log_model=false",
    ]
    code, whole = make_workshop().train(*settings)
    assert code == 0
    workshop = make_workshop()
    command = [sys.executable, "-m", "oldrestore", "train", *workshop.arguments([*settings, "resume=auto"])]
    chance = random.Random(6)
    kills = 0
    while kills < KILLS:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for_a_moment(process, workshop.outputs, chance)
        process.kill()
        said = process.communicate()[0]
        if process.returncode == -9:
            kills += 1
        else:
            assert process.returncode == 0, said
            break
        for path in workshop.outputs.glob("tiny/*/checkpoints/*.safetensors"):
            assert load_checkpoint(path).state["iteration"] >= 0
    assert kills == KILLS
    subprocess.run(command, check=True, capture_output=True)
    (folder,) = workshop.outputs.glob("tiny/*")
    assert_same_run(folder, whole)
    assert_trackers_have_each_step_once(folder)


def wait_for_a_moment(process: subprocess.Popen, outputs: Path, chance: random.Random) -> None:
    """Wait some time within the start, or for one to three new losses and a little more.

    Whatever was meant, three new losses end it: where others leave the machine alone, the start is over early.
    """

    def lines() -> int:
        return sum(path.read_bytes().count(b"\n") for path in outputs.glob("tiny/*/metrics.jsonl"))

    within_start = chance.random() < 0.2
    end = time.monotonic() + (chance.uniform(0.5, 6.0) if within_start else float("inf"))
    # The rows of an attempt that died are cut off first, so that the number of lines falls and then grows.
    goal, lowest = (3 if within_start else chance.randint(1, 3)), lines()
    while process.poll() is None and time.monotonic() < end:
        now = lines()
        lowest = min(lowest, now)
        if now >= lowest + goal:
            time.sleep(chance.uniform(0.0, 0.15))
            return
        time.sleep(0.002)


@pytest.mark.slow
def test_threads_are_set_as_they_were_when_the_run_began(workshop, monkeypatch):
    folder = stopped_run(workshop, monkeypatch)
    threads = json.loads((folder / "provenance.json").read_text())["environment"]["OMP_NUM_THREADS"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(int(threads) + 1)}
    command = [sys.executable, "-m", "oldrestore", "train", f"resume={folder}"]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    resumed = json.loads((folder / "resumes" / "001" / "resume.json").read_text())
    assert "OMP_NUM_THREADS" not in resumed["differences"]
