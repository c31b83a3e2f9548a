"""Sinks get everything in order; slow, dead or raising ones hurt neither the run nor its folder."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest

from oldrestore.records.run import Run
from oldrestore.tracking.protocol import ModelPackage
from oldrestore.tracking.spool import Spool
from oldrestore.tracking.tracker import Trackers


class Recorder:
    """Keeps every call; may raise in one, or wait before each."""

    def __init__(self, raises_in: str = "", waits: threading.Event | None = None) -> None:
        self.calls: list[tuple] = []
        self.raises_in = raises_in
        self.waits = waits
        self.gave_up = False
        self.link = {"where": "memory"}

    def __getattr__(self, name):
        if name not in {"start", "scalars", "accuracy", "per_image", "panel", "text", "model", "finish"}:
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


def emit(trackers: Trackers, run, rows, picture) -> None:
    trackers.start(run)
    trackers.scalars(100, {"train/loss": 4.5, "lr": np.float32(0.5)})
    trackers.panel("validation", 100, picture, "caption")
    trackers.accuracy(rows, 100)
    score = {"trained_iterations": 100, "set": "val", "image": "a.jpg", "metric": "psnr", "value": 21.5}
    trackers.per_image([score])
    trackers.text("note", "hello")
    trackers.scalars(200, {"train/loss": math.nan})
    trackers.finish("finished", summary={"iter_accuracy": 0.525})


def assert_folder_is_whole(path, rows) -> None:
    curves = Run(path).curves
    assert curves["train/loss"].values[0] == 4.5
    assert math.isnan(curves["train/loss"].values[1])
    assert [row["iter_accuracy"] for row in Run(path).accuracy_rows] == [0.5, 0.525]
    assert Run(path).per_image_rows[0]["value"] == 21.5
    assert (path / "samples" / "validation-000100.png").exists()
    assert Run(path).config["seed"] == 3
    assert Run(path).status["state"] == "finished"
    assert Run(path).status["summary"] == {"iter_accuracy": 0.525}


def test_a_sink_gets_every_call_in_order(folder, run, rows, picture):
    sink = Recorder()
    lines: list[str] = []
    emit(Trackers(folder, {"recorder": sink}, warn=lines.append), run, rows, picture)
    assert [call[0] for call in sink.calls] == [
        "start",
        "scalars",
        "panel",
        "accuracy",
        "per_image",
        "text",
        "scalars",
        "finish",
    ]
    assert sink.calls[0][1] == run
    assert sink.calls[1][1:] == (100, {"train/loss": 4.5, "lr": 0.5})
    assert np.array_equal(sink.calls[2][3], picture)
    assert sink.calls[3][1:] == (rows, 100)
    assert sink.calls[-1][1:] == ("finished", None, {"iter_accuracy": 0.525})
    assert lines == []
    report = Run(folder.path).status["sinks"]["recorder"]
    assert report == {"where": "memory", "state": "complete"}
    assert_folder_is_whole(folder.path, rows)


def test_no_sinks(folder, run, rows, picture):
    emit(Trackers(folder), run, rows, picture)
    assert_folder_is_whole(folder.path, rows)
    assert Run(folder.path).status["sinks"] == {}


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
    assert len(good.calls) == 8
    assert (folder.path / "log.txt").read_text() == lines[0] + "\n"
    assert_folder_is_whole(folder.path, rows)


def test_a_dead_sink_neither_slows_nor_loses(folder, run, rows, picture):
    gate = threading.Event()
    sink = Recorder(waits=gate)
    lines: list[str] = []
    trackers = Trackers(folder, {"slow": sink}, warn=lines.append, patience=0.3)
    start = time.monotonic()
    trackers.start(run)
    for iteration in range(2000):
        trackers.scalars(iteration, {"loss": float(iteration)})
    trackers.accuracy(rows, 100)
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


def test_a_slow_sink_catches_up(folder, run, rows, picture):
    gate = threading.Event()
    sink = Recorder(waits=gate)
    trackers = Trackers(folder, {"slow": sink})
    threading.Timer(0.2, gate.set).start()
    emit(trackers, run, rows, picture)
    assert len(sink.calls) == 8


def test_what_is_sent_is_a_copy(folder, run):
    gate = threading.Event()
    sink = Recorder(waits=gate)
    trackers = Trackers(folder, {"sink": sink})
    trackers.start(run)
    picture = np.full((4, 4, 3), 7, np.uint8)
    trackers.panel("p", 1, picture)
    picture[:] = 0
    gate.set()
    trackers.finish("finished")
    assert sink.calls[1][3].min() == 7
    trackers.finish("failed")
    assert Run(folder.path).status["state"] == "finished", "the first end counts"


def test_model_reaches_the_sinks(folder, run, tmp_path):
    sink = Recorder()
    trackers = Trackers(folder, {"sink": sink})
    trackers.start(run)
    package = ModelPackage(tmp_path / "m.py", {"weights": tmp_path / "w.safetensors"})
    trackers.model(package)
    trackers.finish("finished")
    assert sink.calls[1] == ("model", package)


def test_spool_keeps_order_beyond_its_memory():
    spool = Spool(memory_bytes=10_000)
    entries = [np.full(100, i) for i in range(100)]
    read = []
    for number, entry in enumerate(entries):
        spool.put(entry)
        if number % 3 == 0:
            read.append(spool.get())
    assert spool._held <= 10_000
    assert spool._sizes_on_disk
    while len(spool):
        read.append(spool.get())
    assert [int(entry[0]) for entry in read] == list(range(100))
    assert all(np.array_equal(a, b) for a, b in zip(read, entries, strict=True))
    spool.put("again")
    assert spool.get() == "again"
    spool.close()
    spool.put("ignored")
    with pytest.raises(EOFError):
        spool.get()


class Gatherer(Recorder):
    """A sink that takes scalars of many iterations at once."""

    def __init__(self, gather_seconds: float) -> None:
        super().__init__()
        self.gather_seconds = gather_seconds

    def gathered(self, entries) -> None:
        self.calls.append(("gathered", [(iteration, values) for _, iteration, values in entries]))


def test_a_sink_that_gathers_gets_scalars_together_and_before_what_follows(folder, run, picture):
    sink = Gatherer(gather_seconds=60.0)
    trackers = Trackers(folder, {"gatherer": sink})
    trackers.start(run)
    for iteration in range(3):
        trackers.scalars(iteration, {"loss": float(iteration)})
    trackers.panel("validation", 3, picture)
    trackers.scalars(3, {"loss": 3.0})
    began = time.monotonic()
    trackers.finish("finished", summary={})
    assert time.monotonic() - began < 30.0  # the end does not wait for more
    assert [call[0] for call in sink.calls] == ["start", "gathered", "panel", "gathered", "finish"]
    assert sink.calls[1][1] == [(0, {"loss": 0.0}), (1, {"loss": 1.0}), (2, {"loss": 2.0})]
    assert sink.calls[3][1] == [(3, {"loss": 3.0})]


def test_gathered_scalars_are_sent_when_nothing_more_comes(folder, run):
    sink = Gatherer(gather_seconds=0.05)
    trackers = Trackers(folder, {"gatherer": sink})
    trackers.start(run)
    trackers.scalars(0, {"loss": 1.0})
    until = time.monotonic() + 20.0
    while len(sink.calls) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert sink.calls[1] == ("gathered", [(0, {"loss": 1.0})])
    trackers.finish("finished", summary={})
