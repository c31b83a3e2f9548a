"""Killed with -9 again and again, or stopped after a judgement, a run ends as if it had never stopped."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint
from tests.run.same_run import SHORT, assert_same_run, assert_trackers_have_each_step_once, mlflow_steps, stopped_run

KILLS = 20
ITERATIONS = 300  # on an idle machine an attempt trains up to fifteen before it is killed


def test_a_stopped_run_continues_in_the_same_mlflow_run_and_visualdl_file(workshop, monkeypatch):
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
    every = {"log": 7, "evaluate": 20, "checkpoint": 2, "keep": 50}
    settings = ["evaluation.judged=null", f"trainer.max_iterations={ITERATIONS}"]
    settings += [f"trainer.{name}_every={count}" for name, count in every.items()]
    settings += ["tracking.mlflow.system_metrics=false", "tracking.mlflow.log_model=false"]
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
        printed = process.communicate()[0]
        if process.returncode != -9:
            assert process.returncode == 0, printed
            break
        kills += 1
        for path in workshop.outputs.glob("tiny/*/checkpoints/*.safetensors"):
            assert load_checkpoint(path).state["iteration"] >= 0
    assert kills == KILLS
    subprocess.run(command, check=True, capture_output=True)
    (folder,) = workshop.outputs.glob("tiny/*")
    assert_same_run(folder, whole)
    assert_trackers_have_each_step_once(folder)


def wait_for_a_moment(process: subprocess.Popen, outputs: Path, chance: random.Random) -> None:
    """Wait for some time during the start, or for one to three new losses and a little more.

    Three new losses end the wait in any case: on an idle machine the start is over early.
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
def test_threads_are_set_as_when_the_run_began(workshop, monkeypatch):
    folder = stopped_run(workshop, monkeypatch)
    threads = json.loads((folder / "provenance.json").read_text())["environment"]["OMP_NUM_THREADS"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(int(threads) + 1)}
    command = [sys.executable, "-m", "oldrestore", "train", f"resume={folder}"]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    resumed = json.loads((folder / "resumes" / "001" / "resume.json").read_text())
    assert "OMP_NUM_THREADS" not in resumed["differences"]


# Wide enough that sums are shared between threads.
WIDE = ["model.width=0.25", "dataset.crops.size=64", "dataset.crops.crop=64", "trainer.batch_size=4"]
JUDGED = [*WIDE, "tracking=none", "evaluation.judge_during_training=true"]

STOPPED = """
import sys, pytest
from oldrestore.cli import main
from tests.run.same_run import stop_at

stop_at(4, pytest.MonkeyPatch())
sys.exit(main(sys.argv[1:]))
"""


def in_a_process(*arguments: str, program: str | None = None) -> int:
    command = [sys.executable, *(["-c", program] if program else ["-m", "oldrestore"]), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300).returncode


@pytest.fixture(scope="module")
def place(make_workshop):
    return make_workshop()


def test_a_run_that_was_stopped_after_a_judgement_goes_on_to_the_same_bits(place):
    assert in_a_process("train", *place.arguments([*JUDGED, "run_id=whole"])) == 0
    assert in_a_process("train", *place.arguments([*JUDGED, "run_id=stopped"]), program=STOPPED) == 1
    whole, stopped = (place.outputs / "tiny" / name for name in ("whole", "stopped"))
    assert Run(stopped).status["reason"] == "stopped by SIGTERM"
    judged_at = {row.partition(",")[0] for row in (stopped / "accuracy.csv").read_text().splitlines()[1:]}
    assert judged_at == {"3"}
    assert in_a_process("train", f"resume={stopped}") == 0
    assert_same_run(stopped, whole)


def test_the_second_run_of_a_multirun_is_reproduced_bit_for_bit(place, capfd):
    arguments = place.arguments([*WIDE, "tracking=none", "experiment=multirun", "trainer.max_iterations=3"])
    assert in_a_process("train", "-m", *arguments, "seed=0,1") == 0
    second = sorted((place.outputs / "multirun").iterdir())[-1]
    assert "seed: 1" in (second / "config.yaml").read_text()
    assert main(["reproduce", str(second), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["verdict"] == "identical"
