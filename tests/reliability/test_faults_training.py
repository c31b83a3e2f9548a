"""Full disks, kills, folders that may not be written, lost workers, clocks, NaN: a run says so, and goes on after."""

import ctypes
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oldrestore.records.identity import new_run_id
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.training.checkpoint import load_checkpoint, not_finite
from tests.reliability.faulty_runs import Yard, quoted

SECTION = "Faults"
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory, nursery) -> Path:
    """The run that met no fault."""
    return Yard(photos, tmp_path_factory.mktemp("whole"), nursery).finish()[1]


@pytest.fixture
def yard(yard, whole) -> Yard:
    return replace(yard, whole=whole)


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("line of metrics.jsonl, which is torn", ("limit_next_line", 4, 30)),
        pytest.param("checkpoint", ("limit_file_sizes", "checkpoint", 2, 20_000), marks=slow),
        pytest.param("sample", ("limit_file_sizes", "sample", 1, 1500), marks=slow),
        pytest.param("scores of photographs", ("limit_next_line", 1, 30, "per_image.csv"), marks=slow),
    ],
)
def test_no_room_for_what_is_written(yard, what, fault, ledger):
    """The system's own limit on the size of files: the write that crosses it is torn there, and later ones fail."""
    ended, folder = yard.fail(fault)
    assert ended.sentence.endswith(": the file would be larger than is allowed")
    if "torn" in what:
        assert not (folder / "metrics.jsonl").read_bytes().endswith(b"\n"), "the line was not torn"
    assert (folder / "checkpoints" / "last.safetensors").is_file()
    yard.resume(folder)
    article = "the" if what.startswith("scores") else "a"
    ledger.record(f"no room for {article} {what}", through="train", said=1, sentence=quoted(ended.sentence, folder))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 6 MiB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, b"size=6m"):
        pytest.skip("no disk can be made here")
    yield place
    assert libc.umount2(os.fsencode(place), 2) == 0


@slow
@pytest.mark.parametrize(
    ("place", "count"),
    [("metrics", 5), ("checkpoint", 2), ("sample", 1), ("validation", 2), pytest.param("checkpoint", 5, id="status")],
)
def test_a_disk_that_is_full_to_the_last_byte(photos, whole, small_disk, nursery, place, count):
    yard = Yard(photos, small_disk / "outputs", nursery, whole)
    ended, folder = yard.fail(("fill_disk", str(small_disk), place, count))
    assert "the disk is full" in ended.sentence
    (small_disk / "filler").unlink()
    yard.check(folder)
    yard.resume(folder)


@slow
def test_kill_9_between_writing_and_renaming(photos, whole, tmp_path, nursery, ledger):
    kills = [("last.safetensors", 2), ("best.safetensors", 1), ("validation-000003.png", 1), ("status.json", 1)]
    for number, (ending, count) in enumerate(kills):
        yard = Yard(photos, tmp_path / str(number), nursery, whole)
        (ended,) = yard.train(faults=[("kill_within_rename", ending, count)])
        assert ended.code == -9
        (folder,) = yard.outputs.glob("tiny/*")
        yard.check(folder)
        assert list(folder.rglob(f".{ending}.*.tmp")), "it was not killed there"
        yard.resume(folder)
    what = "kill -9 while a file takes its name (anywhere else: tests/run/test_kill_and_resume.py)"
    ledger.record(what, through="train", right=len(kills), sentence="the run goes on to the same bits")


@slow
def test_a_run_folder_that_may_no_longer_be_written(yard, ledger):
    ended, folder = yard.fail(("make_unwritable", str(yard.outputs), "metrics", 4))
    assert ended.sentence.endswith("checkpoints/last.safetensors': no permission")
    yard.resume(folder)
    sentence = quoted(ended.sentence, folder)
    ledger.record("permission lost while a run goes on", through="train", said=1, sentence=sentence)


def test_an_end_that_cannot_be_written_is_no_end(yard, ledger):
    """All is trained and measured; that it is finished stands nowhere."""
    ended, folder = yard.fail(("make_unwritable", str(yard.outputs), "end", 1))
    assert ended.sentence == f"the run failed: '{folder / 'status.json'}': no permission"
    assert Run(folder).status["state"] == "running"
    yard.resume(folder)
    ledger.record("permission lost at its end", through="train", said=1, sentence=quoted(ended.sentence, folder))


def test_outputs_that_may_not_be_written(yard, ledger):
    yard.outputs.mkdir()
    yard.outputs.chmod(0o555)
    (ended,) = yard.train("run_id=RUN", faults=[("drop_capabilities",)])
    assert ended.code == 2
    assert ended.sentence.startswith("no run folder can be made at ")
    assert ended.sentence.endswith("(no permission); name another outputs")
    assert not list(yard.outputs.iterdir())
    sentence = quoted(ended.sentence, yard.outputs)
    ledger.record("outputs that may only be read", through="train", said=1, sentence=sentence)


def test_a_worker_that_the_system_kills(photos, tmp_path, nursery, ledger):
    yard = Yard(photos, tmp_path, nursery)
    settings = ["trainer.workers=2", "trainer.max_iterations=24", "trainer.evaluate_every=12"]
    ended, folder = yard.fail(("kill_worker", 6), overrides=settings)
    assert "a process that loads photographs has ended (killed)" in ended.sentence
    yard.resume(folder)
    assert Run(folder).status["state"] == "finished"
    assert Run(folder).curves["train/loss"].iterations.tolist() == list(range(24))
    ledger.record("a loader's worker killed", through="train", said=1, sentence=quoted(ended.sentence))


@pytest.mark.parametrize(("step", "kept"), [(3, 2), pytest.param(6, 4, marks=slow)])
def test_weights_that_are_no_numbers_replace_no_checkpoint(yard, step, kept, ledger):
    ended, folder = yard.fail(("spoil_weights", step))
    assert f" is not finite after {step} iterations" in ended.sentence
    assert load_checkpoint(folder / "checkpoints" / "last.safetensors").state["iteration"] == kept
    yard.resume(folder)
    what = f"NaN in a weight after step {step} of 6"
    ledger.record(what, through="train", said=1, sentence=quoted(ended.sentence))


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "[" * 100_000])
def test_a_status_that_a_power_cut_has_emptied_is_written_anew(tmp_path, content):
    folder = RunFolder.create(tmp_path, "e", "r")
    folder.write_config("a: 1\n", [])
    (folder.path / "status.json").write_text(content)
    RunFolder.open(folder.path).status("failed", "x")
    assert Run(folder.path).status["state"] == "failed"


def test_not_finite_names_the_tensor():
    good = {"model.a": np.ones(3, np.float32), "model.n": np.array([7])}
    assert not_finite(good) is None
    assert not_finite({**good, "model.b": np.array([1, np.inf])}) == "model.b"
    assert not_finite({**good, "ema.b": np.array([[np.nan]], np.float16)}) == "ema.b"
    # A sum of squares that has overflowed stops its weight and spoils nothing.
    assert not_finite({**good, "optimizer.m": np.array([np.inf])}) is None
    assert not_finite({**good, "optimizer.m": np.array([np.nan])}) == "optimizer.m"


def test_a_clock_that_goes_backwards(yard, ledger):
    folder = yard.finish(faults=[("turn_clock_back",)])[1]
    yard.check(folder)
    status = Run(folder).status
    assert status["started"] <= status["ended"]
    seconds = [json.loads(line)["time"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert seconds == sorted(seconds) and seconds[0] >= 0
    sentence = "seconds of the run go up, and it ends no earlier than it began"
    ledger.record("a clock an hour earlier each time it is asked", through="train", right=1, sentence=sentence)


@slow
def test_many_runs_in_the_same_second(photos, tmp_path, nursery, ledger):
    yard = Yard(photos, tmp_path, nursery)
    settings = ["trainer.max_iterations=2", "trainer.evaluate_every=2"]
    count = 4
    for ended in yard.train(*settings, faults=[("stop_clock",)], several=count):
        assert (ended.code, ended.sentence) == (0, ""), ended.err
    folders = list(yard.outputs.glob("tiny/*"))
    assert len(folders) == count
    assert {folder.name[:15] for folder in folders} == {"20260329-120000"}
    for folder in folders:
        assert Run(folder).curves["train/loss"].iterations.tolist() == [0, 1]
    # Asked for one folder, one of them has it and the others say so.
    named = yard.train(*settings, "run_id=one", faults=[("stop_clock",)], several=count)
    assert sorted(ended.code for ended in named) == [0] + [2] * (count - 1)
    assert Run(yard.outputs / "tiny" / "one").status["state"] == "finished"
    (sentence,) = {ended.sentence for ended in named if ended.code}
    what, counted = "runs begun in the same second, then with the same run id", {"right": count + 1, "said": count - 1}
    ledger.record(what, through="train", sentence=quoted(sentence, yard.outputs), **counted)
    assert len({new_run_id() for _ in range(10_000)}) == 10_000
