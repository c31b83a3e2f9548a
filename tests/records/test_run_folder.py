"""The run folder holds exactly what it was told, also after a crash."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.errors import UserError
from oldrestore.plain import decode_float, encode_float, flatten, plain
from oldrestore.records.liveness import is_alive, state_in_words
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder


def test_create_makes_the_folder_once(outputs):
    folder = RunFolder.create(outputs, "a/b", "r1")
    assert folder.path == outputs / "a" / "b" / "r1"
    assert (folder.experiment, folder.run_id, folder.outputs) == ("a/b", "r1", outputs)
    assert list(folder.path.iterdir()) == []
    with pytest.raises(UserError, match="exists already"):
        RunFolder.create(outputs, "a/b", "r1")
    with pytest.raises(UserError, match="is not a run folder"):
        RunFolder.open(folder.path)


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc"])
def test_create_stays_under_outputs(outputs, name):
    with pytest.raises(UserError, match="does not name a folder"):
        RunFolder.create(outputs, name, "r1")


def test_scalars_read_back_to_the_same_bits(folder):
    rng = np.random.default_rng(1)
    random_bits = rng.integers(0, 2**64, 2000, dtype=np.uint64).view(np.float64)
    values = [0.1 + 0.2, 1 / 3, 5e-324, -0.0, 1.7976931348623157e308, *random_bits[np.isfinite(random_bits)]]
    for iteration, value in enumerate(values):
        folder.scalars(iteration, {"loss": value})
    curve = Run(folder.path).curves["loss"]
    assert curve.values.dtype == np.float64
    assert curve.values.tobytes() == np.array(values).tobytes()
    assert curve.iterations.tolist() == list(range(len(values)))


def test_what_is_not_finite_is_strict_json_and_reads_back(folder):
    folder.scalars(7, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": np.float32(0.1), "e": 2})
    line = (folder.path / "metrics.jsonl").read_text()
    record = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not strict JSON"))
    assert record["values"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 0.10000000149011612, "e": 2.0}
    curves = Run(folder.path).curves
    assert math.isnan(curves["a"].values[0])
    assert [curves[name].values[0] for name in "bc"] == [math.inf, -math.inf]


def test_a_scalar_that_is_no_number_is_named_and_nothing_is_written(folder):
    with pytest.raises(TypeError, match="'loss' at iteration 3"):
        folder.scalars(3, {"lr": 0.1, "loss": "NaN"})
    assert Run(folder.path).curves == {}


def test_the_seconds_of_a_resumed_run_continue(folder):
    folder.scalars(100, {"loss": 1.0})
    folder.close()
    path = folder.path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"iteration": 200, "time": 50.0, "values": {"loss": 2.0}}\n')
    folder.status("killed")
    RunFolder.open(folder.path).scalars(300, {"loss": 3.0})
    curve = Run(folder.path).curves["loss"]
    assert curve.iterations.tolist() == [100, 200, 300]
    assert 50.0 <= curve.seconds[2] < 60.0


def test_marks_are_the_lengths_of_what_is_on_disk(folder, rows):
    assert folder.marks() == {"metrics.jsonl": 0, "accuracy.csv": 0, "per_image.csv": 0}
    folder.scalars(1, {"loss": 1.0})
    folder.accuracy(rows, 1)
    lengths = {name: (folder.path / name).stat().st_size for name in ("metrics.jsonl", "accuracy.csv")}
    assert folder.marks() == {**lengths, "per_image.csv": 0}


def test_tables(folder, rows):
    folder.accuracy(rows, 100)
    folder.accuracy(rows, 200)
    read = Run(folder.path).accuracy_rows
    assert [row["trained_iterations"] for row in read] == [100, 100, 200, 200]
    assert read[:2] == [{"trained_iterations": 100, **row} for row in rows]
    assert (folder.path / "accuracy.csv").read_text().count("iter_accuracy") == 1
    with pytest.raises(ValueError, match="iter_acuracy"):
        folder.accuracy([{"iter_acuracy": 1.0}], 300)

    common = {"trained_iterations": 100, "set": "val"}
    scores = [
        {**common, "image": 'a,"b\n.jpg', "metric": "psnr", "value": math.inf},
        {**common, "image": "c\u2028", "metric": "auc", "value": 0.1, "weight": 3},
    ]
    folder.per_image(scores)
    read = Run(folder.path).per_image_rows
    assert read == [{**scores[0], "weight": 1.0}, {**scores[1], "weight": 3.0}]


def test_config_overrides_and_json(folder):
    overrides = ["a='b: c'", "loss.name=#x", "unicode=ä\n"]
    config_yaml = "seed: 3\nmodel:\n  width: 0.25\n"
    folder.write_config(config_yaml, overrides)
    assert (folder.path / "config.yaml").read_text() == config_yaml
    assert Run(folder.path).config == {"seed": 3, "model": {"width": 0.25}}
    assert Run(folder.path).overrides == overrides
    choices = {"loss": "focal", "dataset@evaluation.judged": "labelled_photos"}
    folder.write_config(config_yaml, [], choices)
    assert (Run(folder.path).overrides, Run(folder.path).choices) == ([], choices)
    folder.write_json("provenance.json", {"flags": {"x": np.float64("nan")}, "path": Path("/a"), "n": np.int64(3)})
    assert Run(folder.path).provenance == {"flags": {"x": "NaN"}, "path": "/a", "n": 3}
    folder.write_json("data.json", {"train": {"count": 3}})
    assert Run(folder.path).data == {"train": {"count": 3}}
    assert not list(folder.path.glob(".*")), "temporary files are gone"


def test_panel_text_and_log(folder, picture):
    path = folder.panel("val/photos", 400, picture, "Input | Output | Original")
    assert path == folder.path / "samples" / "val-photos-000400.png"
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), picture)
        assert image.info["Description"] == "Input | Output | Original"
    with pytest.raises(ValueError, match="float32"):
        folder.panel("x", 1, picture.astype(np.float32))
    assert folder.text("summary", "# Done").read_text() == "# Done\n"
    folder.log("iter:0  time:1  avg_loss:5.7809")
    folder.log("second\n")
    assert (folder.path / "log.txt").read_text() == "iter:0  time:1  avg_loss:5.7809\nsecond\n"


def test_status_of_a_run_that_lives_and_ends(folder):
    folder.status("running")
    status = Run(folder.path).status
    assert (status["state"], status["alive"], status["ended"]) == ("running", True, None)
    assert (status["pid"], status["host"]) == (os.getpid(), socket.gethostname())
    assert state_in_words(status) == "running"
    folder.status("failed", "NaN loss at iteration 7", summary={"loss": "NaN"})
    folder.status("failed", "NaN loss at iteration 7")
    ended = Run(folder.path).status
    assert (ended["state"], ended["alive"]) == ("failed", False)
    assert (ended["reason"], ended["started"]) == ("NaN loss at iteration 7", status["started"])
    assert ended["summary"] == {"loss": "NaN"}, "what an earlier call added is kept"
    assert ended["ended"].endswith("Z") and ended["ended"] >= ended["started"]


def test_status_of_other_processes(folder):
    folder.status("running")
    status = Run(folder.path).status
    assert is_alive({**status, "host": "elsewhere"}) is None
    assert state_in_words({**status, "host": "elsewhere", "alive": None}) == "running (on elsewhere)"
    another_hour = {**status, "process_started": status["process_started"] - 3600}  # the clock was set
    assert is_alive(another_hour) is True
    assert is_alive({**another_hour, "process_ticks": None}) is False
    assert is_alive({**status, "process_ticks": f"{status['process_ticks']}0"}) is False


def test_kill_9_in_the_middle_of_writing_leaves_everything_readable(outputs):
    program = f"""
from pathlib import Path
from oldrestore.records.run_folder import RunFolder
folder = RunFolder.create(Path({str(outputs)!r}), "e", "r")
folder.status("running")
i = 0
while True:
    i += 1
    folder.scalars(i, {{"loss": i / 7, "lr": 1e-3}})
    if i == 500: print("ready", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    run = Run(outputs / "e" / "r")
    curve = run.curves["loss"]
    assert len(curve) >= 500
    assert np.array_equal(curve.iterations, np.arange(1, len(curve) + 1))
    assert np.array_equal(curve.values, curve.iterations / 7)
    assert run.state == "running (process gone)"


def test_plain_values():
    mixed = {"a": (1, np.float32(0.5)), 2: np.array([[1, 2]]), "n": None, "t": np.bool_(True)}
    assert plain(mixed) == {"a": [1, 0.5], "2": [[1, 2]], "n": None, "t": True}
    nested = {"a": {"b": [1, {"c": 2}]}, "e": {}, "f": []}
    assert flatten(nested) == {"a.b.0": 1, "a.b.1.c": 2, "e": {}, "f": []}
    assert decode_float(encode_float(-math.inf)) == -math.inf
    with pytest.raises(ValueError, match="neither a number"):
        decode_float("nine")
