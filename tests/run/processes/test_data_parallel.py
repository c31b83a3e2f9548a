"""Two processes train the run that one trains with the same batch, write it down once, and end as one does."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import paddle
import pandas as pd
import psutil
import pytest
from omegaconf import OmegaConf
from safetensors.numpy import load_file

from oldrestore import parallel
from oldrestore.cli import main
from oldrestore.errors import UserError
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.weights import WeightsHeader, save_weights
from oldrestore.records.run import Run
from oldrestore.run.processes import launching
from tests.run.same_run import assert_same_run, assert_trackers_have_each_step_once, last, records

# Plain descent: Adam moves a weight by the learning rate also where its gradient is all rounding.
SHARED = ["model.width=0.125", "optimizer=sgd", "optimizer.learning_rate=0.001"]
SHARED += ["trainer.batch_size=4", "evaluation.batch_size=2", "evaluation.judged=null"]
# The judge costs more than all the rest: slow tests compare what it says.
JUDGED = [*SHARED, "evaluation.judged=dataset", "evaluation.judge_during_training=true"]
TWO = [*SHARED, "trainer.processes=2"]
SHORT = ["tracking=none", "evaluation.samples=0"]
# What the order of sums changes is measured: by how much runs part whose weights differ by some roundings, as many as
# the sum of a convolution collects (the root of its 9 x 64 terms). After a single rounding runs part a little or a
# thousand times as far, as a hidden unit near zero changes sides or does not; after 24 all part alike.
ROUNDINGS, NUDGED_RUNS, FACTOR = 24, 3, 5
# Scores are of pixels with 256 levels: one may change its level.
SCORE_TOLERANCE = 1e-3
COMMAND = [sys.executable, "-m", "oldrestore", "train"]


def parting(one: Path, other: Path) -> dict[str, float]:
    """How far two runs are apart: losses and running statistics, relative; weights, as a share of the way they went."""
    losses = [
        abs(value - theirs[name]) / abs(theirs[name])
        for (_, ours), (_, theirs) in zip(records(one), records(other), strict=True)
        for name, value in ours.items()
        if name in ("train/loss", "train/avg_loss", "val/loss")
    ]
    start = load_file(OmegaConf.load(other / "config.yaml").model.weights)
    ours, theirs, before = map(vectors, (last(one).tensors, last(other).tensors, start))
    moved = {"weights": theirs["weights"] - before["weights"], "statistics": theirs["statistics"]}
    apart = {name: float(np.linalg.norm(ours[name] - theirs[name]) / np.linalg.norm(moved[name])) for name in moved}
    return {"losses": max(losses), **apart}


def vectors(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All parameters of a network in a row, and all running statistics of its batch norms."""
    tensors = {name.removeprefix("model."): value for name, value in tensors.items()}
    kinds: dict[str, list[np.ndarray]] = {"weights": [], "statistics": []}
    for name in sorted(Eccv16(width=0.125).state_dict()):
        kinds["statistics" if name.endswith(("._mean", "._variance")) else "weights"].append(tensors[name].ravel())
    return {kind: np.concatenate(values) for kind, values in kinds.items()}


def assert_equal_within_tolerance(two: Path, one: Path, tolerance: dict[str, float]) -> None:
    """Compare curves, weights and tables."""
    apart = parting(two, one)
    assert all(apart[name] <= tolerance[name] for name in tolerance), (apart, tolerance)
    ours, theirs = records(two), records(one)
    assert [(i, list(values)) for i, values in ours] == [(i, list(values)) for i, values in theirs]
    for (iteration, mine), (_, other) in zip(ours, theirs, strict=True):
        for name, value in mine.items():
            if "bin_" not in name and not isinstance(value, str):  # bins are counted: one may go over
                near = 2e-3 if "gap_closed" in name else 1e-6  # a quotient of small differences
                assert value == pytest.approx(other[name], rel=SCORE_TOLERANCE, abs=near), (iteration, name)
    for table in ("per_image", "accuracy"):
        tables = [getattr(Run(folder), table) for folder in (two, one)]
        pd.testing.assert_frame_equal(*tables, rtol=SCORE_TOLERANCE, atol=2e-3)


@pytest.fixture(scope="module")
def place(make_workshop):
    return make_workshop()


@pytest.fixture(scope="module")
def starts(tmp_path_factory) -> list[str]:
    """Weights to start from: as they were drawn, and some that are off by `ROUNDINGS`."""
    folder = tmp_path_factory.mktemp("weights")
    paddle.seed(0)
    drawn = {name: value.numpy() for name, value in Eccv16(width=0.125).state_dict().items()}
    for number in range(1 + NUDGED_RUNS):
        rng = np.random.default_rng(number)
        relative = ROUNDINGS * np.finfo(np.float32).eps if number else 0.0
        factors = {name: 1 + relative * rng.choice([-1, 1], value.shape) for name, value in drawn.items()}
        moved = {name: (value * factors[name]).astype(np.float32) for name, value in drawn.items()}
        save_weights(folder / f"{number}.safetensors", moved, WeightsHeader("eccv16", {"width": 0.125}))
    return [f"model.weights={folder / f'{number}.safetensors'}" for number in range(1 + NUDGED_RUNS)]


def train_alone(place, *overrides: str) -> Path:
    code, folder = place.train(*overrides, "tracking=none")
    assert code == 0
    return folder


@pytest.fixture(scope="module")
def one(place, starts) -> Path:
    return train_alone(place, *SHARED, starts[0])


@pytest.fixture(scope="module")
def tolerance(place, starts, one) -> dict[str, float]:
    """How far runs of one process part whose weights differ by `ROUNDINGS`, and some more."""
    apart = [parting(train_alone(place, *SHARED, start), one) for start in starts[1:]]
    # A loss is written down in float32.
    floor = {"losses": float(np.finfo(np.float32).eps), "weights": 0.0, "statistics": 0.0}
    return {name: FACTOR * max(floor[name], *(distance[name] for distance in apart)) for name in floor}


@pytest.fixture(scope="module")
def two(place, starts, tmp_path_factory) -> tuple[Path, str]:
    """The run of two processes, started from an empty folder, and what it printed."""
    here = tmp_path_factory.mktemp("here")
    command = [*COMMAND, *place.arguments([*TWO, starts[0], "run_id=two"])]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert list(here.iterdir()) == []
    return place.outputs / "tiny" / "two", done.stdout


def test_two_processes_record_the_run_of_one_with_the_same_batch_once(one, two, tolerance):
    folder, _ = two
    assert_equal_within_tolerance(folder, one, tolerance)
    assert {path.name for path in folder.iterdir()} == {path.name for path in one.iterdir()} | {"visualdl"}
    named = Counter((i, name) for i, values in records(folder) for name in values)
    assert set(named.values()) == {1}
    assert len(Run(folder).per_image) > 0


def test_trackers_have_the_run_once_and_its_whole_log(two, capsys):
    folder, printed = two
    assert_trackers_have_each_step_once(folder)
    sinks = Run(folder).status["sinks"]
    assert {name: sink["state"] for name, sink in sinks.items()} == {"mlflow": "complete", "visualdl": "complete"}
    log = (folder / "log.txt").read_text()
    assert log.endswith(printed[printed.index("\nnext ") :])
    capsys.readouterr()
    assert main(["sync", str(folder), "--json"]) == 0
    ((run,)) = json.loads(capsys.readouterr().out)
    assert [tracker["sent"] for tracker in run["trackers"].values()] == [{}, {}]


def test_what_is_printed_and_recorded_is_that_of_one_process(two):
    folder, printed = two
    lines = printed.splitlines()
    assert lines[-1] == str(folder)
    assert lines[1] == "device    cpu, 2 processes"
    assert sum(line.startswith("iter:") for line in lines) == 3
    assert sum(line.startswith("val at ") for line in lines) == 2
    assert (folder / "log.txt").read_text().splitlines()[-1] == str(folder)
    assert not any("PADDLE" in line or "LAUNCH" in line or "FLAGS" in line for line in lines)
    recorded = Run(folder).provenance
    members = recorded["processes"]
    assert [(member["rank"], member["device"]) for member in members] == [(0, "cpu"), (1, "cpu")]
    assert {member["threads"] for member in members} == {recorded["environment"]["OMP_NUM_THREADS"]}
    assert Run(folder).composed.trainer.processes == 2


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["trainer.batch_size=5"], "trainer.batch_size=5 cannot be shared equally by 2 processes: use 4 or 6"),
        (["trainer.device=gpu:1"], "trainer.device=gpu:1 names one GPU"),
        (["trainer.processes=0"], "trainer.processes must be"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_there_is_a_folder(place, capsys, overrides, complaint):
    before = sorted(place.outputs.glob("*/*"))
    assert main(["train", *place.arguments([*TWO, *overrides])]) == 2
    assert complaint in capsys.readouterr().err
    assert sorted(place.outputs.glob("*/*")) == before


def test_the_environment_and_its_passwords_stay_out_of_the_run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PADDLE_TRAINER_ID", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    variables = launching.environment(2, tmp_path)
    assert "PADDLE_TRAINER_ID" not in variables
    assert variables["OMP_NUM_THREADS"] == "3"  # the user's
    command = launching.command(2, tmp_path)
    assert command[command.index("--log_dir") + 1].startswith(str(tmp_path))
    assert command[command.index("--nproc_per_node") + 1] == "2"


def test_a_launched_process_writes_the_number_down_and_refuses_another(monkeypatch):
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "4")
    monkeypatch.setenv("PADDLE_LOCAL_SIZE", "2")
    config = OmegaConf.create({"trainer": {"batch_size": 8, "device": "auto"}})
    launching.check(config)
    assert config.trainer.processes == 4
    config.trainer.processes = 3
    with pytest.raises(UserError, match=r"trainer\.processes=3 but 4 were launched"):
        launching.check(config)


def start(place, *overrides: str, until: str) -> subprocess.Popen:
    """Start a run and wait for a line of it."""
    arguments = place.arguments([*TWO, *SHORT, "trainer.evaluate_every=5", "trainer.checkpoint_every=5", *overrides])
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if line.startswith(until):
            return process
    raise AssertionError(f"no line {until}")


def worker(parent: int, rank: int) -> psutil.Process:
    """Return the process of a rank."""
    (launcher,) = psutil.Process(parent).children()
    return next(child for child in launcher.children() if child.environ()["PADDLE_TRAINER_ID"] == str(rank))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_run_whose_process_is_killed_has_failed_says_so_and_goes_on(place, rank):
    length = "trainer.max_iterations=300"
    process = start(place, f"run_id=lost{rank}", length, until="iter:9 ")
    worker(process.pid, rank).kill()
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    folder = place.outputs / "tiny" / f"lost{rank}"
    status = Run(folder).status
    assert status["state"] == "failed"
    assert re.fullmatch(rf"process {rank} of 2 (died \(.*\)|was ended by SIGKILL)", status["reason"]), status
    assert "Traceback" not in printed
    assert f"oldrestore: the run failed: {status['reason']}\n" in printed
    assert printed.splitlines()[-1] == str(folder)


@pytest.mark.slow
def test_a_run_that_is_stopped_goes_on_bit_for_bit_and_with_one_process_within_tolerance(place):
    length = "trainer.max_iterations=40"
    whole = [*COMMAND, *place.arguments([*TWO, *SHORT, length, "run_id=whole", "trainer.evaluate_every=5"])]
    assert subprocess.run([*whole, "trainer.checkpoint_every=5"], stdout=subprocess.PIPE).returncode == 0
    for name, more in (("stopped", []), ("continued_alone", ["trainer.processes=null"])):
        process = start(place, f"run_id={name}", length, until="iter:6 ")
        # Slurm warns every process of a job step; a terminal, or a person, the first alone.
        number, first = signal.SIGUSR1 if more else signal.SIGTERM, psutil.Process(process.pid)
        for each in [first, *(first.children(recursive=True) if more else [])]:
            each.send_signal(number)
        printed, _ = process.communicate(timeout=120)
        folder = place.outputs / "tiny" / name
        assert process.returncode == 1
        assert Run(folder).status["reason"] == f"stopped by {number.name}", printed
        resumed = [*COMMAND, f"outputs={place.outputs}", f"resume={folder}", *more]
        done = subprocess.run(resumed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        assert f"resumed   {folder}" in done.stdout
        if more:
            assert Run(folder).composed.trainer.processes is None
            ours, theirs = (Run(run).curves["train/loss"] for run in (folder, place.outputs / "tiny" / "whole"))
            assert ours.iterations.tolist() == theirs.iterations.tolist()
            assert ours.values == pytest.approx(theirs.values, rel=1e-3)
        else:
            assert_same_run(folder, place.outputs / "tiny" / "whole")


@pytest.mark.slow
def test_a_killed_parent_takes_the_processes_with_it(place):
    process = start(place, "run_id=orphaned", "trainer.max_iterations=3000", until="iter:9 ")
    workers = [worker(process.pid, rank) for rank in (0, 1)]
    private = workers[0].environ()[parallel.LAUNCH_FOLDER]
    process.kill()
    process.communicate()
    _, left = psutil.wait_procs(workers, timeout=60)
    assert not left
    assert stat.S_IMODE(Path(private).stat().st_mode) == 0o700
    shutil.rmtree(private)
    assert Run(place.outputs / "tiny" / "orphaned").status["state"] == "killed"


@pytest.mark.slow
def test_it_is_reproduced_by_two_processes(two, capfd):
    folder, _ = two
    assert main(["reproduce", str(folder), "tracking=none"]) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("identical")


@pytest.mark.slow
def test_paddles_own_launcher_starts_it_too_and_each_photograph_is_judged_once(place, starts, tolerance, tmp_path):
    alone = train_alone(place, *JUDGED, starts[0])
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", str(tmp_path)]
    program = Path(sys.executable).with_name("oldrestore")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
    command = [*launcher, str(program), "train", *place.arguments([*JUDGED, starts[0], "run_id=by_hand"])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = place.outputs / "tiny" / "by_hand"
    assert Run(folder).composed.trainer.processes == 2
    assert_equal_within_tolerance(folder, alone, tolerance)
    assert len(Run(folder).accuracy) > 0


def test_a_log_is_kept_only_where_it_says_something(tmp_path):
    usual = """
=======================
Modified FLAGS detected
FLAGS(name='FLAGS_selected_gpus', current_value='0')
WARNING: OMP_NUM_THREADS set to 2, not 1. The computation speed will not be optimized.
PLEASE USE OMP_NUM_THREADS WISELY.
"""
    for text, kept in ((usual, False), (f"{usual}Segmentation fault", True)):
        logs = tmp_path / "launch"
        logs.mkdir(exist_ok=True)
        (logs / "launcher.log").write_text(text)
        launching.tidy(logs)
        assert logs.exists() is kept
