"""Sinks are told everything that the folder has; slow, dead or raising ones hurt neither the run nor its folder."""

import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.tracking.protocol import ModelPackage
from oldrestore.tracking.tracker import Trackers
from tests.run_to_track import followed_by


class Recorder:
    """Keeps every call; may raise in one, or wait before each."""

    def __init__(self, raises_in: str = "", waits: threading.Event | None = None, gather_seconds: float = 0.01) -> None:
        self.calls: list[tuple] = []
        self.raises_in = raises_in
        self.waits = waits
        self.gather_seconds = gather_seconds
        self.gave_up = False
        self.link = {"where": "memory"}

    def __getattr__(self, name):
        if name not in {"start", "scalars", "accuracy", "panel", "text", "model", "finish"}:
            raise AttributeError(name)

        def call(*arguments):
            if self.waits is not None:
                self.waits.wait()
            if name == self.raises_in:
                raise RuntimeError("the disk\nof the service is full")
            self.calls.append((name, *arguments))

        return call

    def give_up(self) -> None:
        self.gave_up = True

    def told(self, name: str) -> list:
        """First argument of each call of this name."""
        return [arguments[0] for call, *arguments in self.calls if call == name]

    def scalars_told(self) -> list[tuple[int, dict]]:
        return [(line.iteration, line.values) for lines in self.told("scalars") for line in lines]

    def wait_for(self, name: str, count: int) -> None:
        until = time.monotonic() + 20.0
        while len(self.told(name)) < count and time.monotonic() < until:
            time.sleep(0.005)
        assert len(self.told(name)) == count


MODEL = ModelPackage(Path("m.py"), {"weights": Path("w.safetensors")})


def emit(trackers: Trackers, run, rows, picture) -> None:
    folder = trackers.folder
    trackers.start(run)
    folder.scalars(100, {"train/loss": 4.5, "lr": np.float32(0.5)})
    folder.panel("validation", 100, picture, "caption")
    folder.accuracy(rows, 100)
    score = {"trained_iterations": 100, "set": "val", "image": "a.jpg", "metric": "psnr", "value": 21.5}
    folder.per_image([score])
    folder.text("note", "hello")
    folder.scalars(200, {"train/loss": math.nan})
    trackers.finish("finished", summary={"iter_accuracy": 0.525}, model=MODEL)
    trackers.finish("failed")  # the first end counts


def assert_folder_is_whole(path) -> None:
    run = Run(path)
    np.testing.assert_array_equal(run.curves["train/loss"].values, [4.5, math.nan])
    assert [row["iter_accuracy"] for row in run.accuracy_rows] == [0.5, 0.525]
    assert run.per_image_rows[0]["value"] == 21.5
    assert (path / "samples" / "validation-000100.png").exists()
    assert run.config["seed"] == 3
    assert (run.status["state"], run.status["summary"]) == ("finished", {"iter_accuracy": 0.525})


def assert_told_everything(sink: Recorder, rows, picture) -> None:
    assert sink.calls[0][0] == "start"
    (first, values), (second, nan) = sink.scalars_told()
    assert (first, values, second) == (100, {"train/loss": 4.5, "lr": 0.5}, 200)
    assert math.isnan(nan["train/loss"])
    (panel,) = sink.told("panel")
    assert (panel.name, panel.iteration, panel.caption) == ("validation", 100, "caption")
    assert np.array_equal(panel.rgb, picture)
    assert [row for part in sink.told("accuracy") for row in part] == [{"trained_iterations": 100, **r} for r in rows]
    assert [call[1:] for call in sink.calls if call[0] == "text"] == [("note", "hello\n")]
    assert sink.calls[-2:] == [("model", MODEL), ("finish", "finished", None, {"iter_accuracy": 0.525})]


@pytest.mark.parametrize("gather_seconds", [0.0, 60.0])
def test_a_sink_is_told_everything_once(folder, run, rows, picture, gather_seconds):
    sink = Recorder(gather_seconds=gather_seconds)
    lines: list[str] = []
    began = time.monotonic()
    emit(Trackers(folder, {"recorder": sink}, warn=lines.append), run, rows, picture)
    assert time.monotonic() - began < 30.0  # the end does not wait for more
    assert (sink.told("start"), lines) == ([run], [])
    assert_told_everything(sink, rows, picture)
    assert Run(folder.path).status["sinks"]["recorder"] == {"where": "memory", "state": "complete"}
    assert_folder_is_whole(folder.path)


def test_a_sink_is_told_while_the_run_goes_on(folder, run, picture):
    with followed_by(sink := Recorder(), folder, run):
        folder.scalars(0, {"loss": 1.0})
        sink.wait_for("scalars", 1)
        folder.scalars(1, {"loss": 0.5})
        folder.panel("validation", 1, picture)
        sink.wait_for("panel", 1)
    assert sink.scalars_told() == [(0, {"loss": 1.0}), (1, {"loss": 0.5})]


def test_scalars_are_gathered(folder, run):
    with followed_by(sink := Recorder(gather_seconds=60.0), folder, run):
        for iteration in range(3):
            folder.scalars(iteration, {"loss": float(iteration)})
    ((*together,),) = sink.told("scalars")
    assert [line.iteration for line in together] == [0, 1, 2]


def test_a_run_may_have_no_sink_and_one_of_a_resumed_run_is_told_from_the_beginning(folder, run, rows, picture):
    emit(Trackers(folder), run, rows, picture)
    assert_folder_is_whole(folder.path)
    assert Run(folder.path).status["sinks"] == {}
    end = {"summary": {"iter_accuracy": 0.525}, "model": MODEL}
    with followed_by(sink := Recorder(), RunFolder.open(folder.path), run, **end):
        pass
    assert_told_everything(sink, rows, picture)


@pytest.mark.parametrize("call", ["start", "scalars", "panel", "accuracy", "finish"])
def test_a_sink_that_raises_is_switched_off_with_one_line(folder, run, rows, picture, call):
    bad, good = Recorder(raises_in=call), Recorder()
    lines: list[str] = []
    emit(Trackers(folder, {"bad": bad, "good": good}, warn=lines.append), run, rows, picture)
    reason = f"RuntimeError in {call}: the disk of the service is full"
    assert lines == [f"bad tracking is off ({reason}); the run folder holds everything"]
    sinks = Run(folder.path).status["sinks"]
    assert sinks["bad"] == {"where": "memory", "state": "off", "reason": reason}
    assert sinks["good"]["state"] == "complete"
    assert bad.gave_up and not good.gave_up
    assert call not in [name for name, *_ in bad.calls]
    assert_told_everything(good, rows, picture)
    assert (folder.path / "log.txt").read_text() == lines[0] + "\n"
    assert_folder_is_whole(folder.path)


def test_a_dead_sink_neither_slows_nor_loses(folder, run, rows, picture):
    gate = threading.Event()
    sink = Recorder(waits=gate)
    lines: list[str] = []
    trackers = Trackers(folder, {"slow": sink}, warn=lines.append, patience=0.3)
    start = time.monotonic()
    trackers.start(run)
    for iteration in range(2000):
        folder.scalars(iteration, {"loss": float(iteration)})
    folder.accuracy(rows, 100)
    assert time.monotonic() - start < 5
    start = time.monotonic()
    trackers.finish("killed", "SIGTERM")
    assert 0.3 <= time.monotonic() - start < 2
    assert lines == ["slow tracking did not finish within 0.3 s; the run folder holds everything"]
    status = Run(folder.path).status
    assert (status["state"], status["reason"]) == ("killed", "SIGTERM")
    assert status["sinks"]["slow"]["state"] == "late"
    assert len(Run(folder.path).curves["loss"]) == 2000
    gate.set()
    sink.wait_for("start", 1)
    time.sleep(0.1)
    assert len(sink.calls) == 1, "it is told no more once it was given up"


def test_a_slow_sink_catches_up(folder, run, rows, picture):
    gate = threading.Event()
    sink = Recorder(waits=gate)
    threading.Timer(0.2, gate.set).start()
    emit(Trackers(folder, {"slow": sink}), run, rows, picture)
    assert_told_everything(sink, rows, picture)
