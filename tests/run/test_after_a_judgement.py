"""Training that follows a judgement in the same process has the bits of training in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from oldrestore.cli import main
from oldrestore.records.run import Run
from tests.run.test_resuming import assert_same_run

# Wide enough that sums are shared between threads.
WIDE = ["model.width=0.25", "dataset.crops.size=64", "dataset.crops.crop=64", "trainer.batch_size=4"]
JUDGED = [*WIDE, "tracking=none", "evaluation.judge_during_training=true"]

STOPPED = """
import os, signal, sys
from oldrestore.cli import main
from oldrestore.run.run_in_progress import RunInProgress

make_batch = RunInProgress.make_batch

def stopping(run, rgb, names, at):
    if at == 4:
        os.kill(os.getpid(), signal.SIGTERM)
    return make_batch(run, rgb, names, at)

RunInProgress.make_batch = stopping
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
