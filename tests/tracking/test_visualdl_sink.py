"""VisualDL's own reader reads back what the sink wrote, and the home directory stays clean."""

import io
import math
import os
import subprocess
import sys

import numpy as np
from PIL import Image

from oldrestore.tracking.visualdl_sink import FILE_NAME, VisualDLSink, import_visualdl
from tests.run_to_track import followed_by, track_in_two_parts


def read(path):
    return import_visualdl().LogReader(file_path=str(path / "visualdl" / FILE_NAME))


def image(record):
    return np.asarray(Image.open(io.BytesIO(record.image.encoded_image_string)))


def test_everything_reads_back(folder, run, rows, picture):
    values = [5.7, 4.7249, 1 / 3, 3.991]
    with followed_by(VisualDLSink(), folder, run, summary={"iter_accuracy": 0.525, "psnr": math.inf}):
        for step, value in enumerate(values):
            folder.scalars(step * 100, {"100%": 1.0, "train/loss": value, "val/psnr": math.nan})
        folder.panel("validation", 100, picture, "Input | Output")
        folder.panel("validation", 200, 255 - picture)
        folder.panel("dark", 200, np.ones_like(picture))
        folder.accuracy(rows, 300)
        folder.text("note", "# Hello")

    log = read(folder.path)
    assert list(log.name2tags) == ["quickstart/quickstart, width=0.25, seed=3 (20260101-120000-abcd)"]
    loss = log.get_data("scalar", "train/loss")
    assert [record.id for record in loss] == [0, 100, 200, 300]
    assert [record.value for record in loss] == [float(np.float32(value)) for value in values]
    assert "val%psnr" not in log.get_tags()["scalar"], "what is not finite is left out"
    assert [(r.id, r.value) for r in log.get_data("scalar", "100percent")] == [(at, 1.0) for at in (0, 100, 200, 300)]
    order = [tag.replace("%", "/") for tag in log.get_tags()["scalar"]]
    assert order == ["train/loss", "100percent", "summary/iter_accuracy"], "what never changes comes last"

    panels = log.get_data("image", "validation")
    assert [record.id for record in panels] == [100, 200]
    assert np.array_equal(image(panels[0]), picture)
    assert np.array_equal(image(panels[1]), 255 - picture)
    assert image(log.get_data("image", "dark")[0]).max() == 0

    def text(tag):
        return [record.text.encoded_text_string for record in log.get_data("text", tag)]

    assert text("config") == [run.config_yaml]
    assert text("note") == ["# Hello\n"]
    assert text("validation/caption") == ["Input | Output"]
    table = text("accuracy")[0].splitlines()
    assert table[0].startswith("| trained_iterations | iteration | iter_accuracy |")
    assert table[3].startswith("| 300 | 80 | 0.5250 | 0.9625 | 0.8125 | 80 | 0.3333 |")
    assert "| iter_accuracy | 0.5250 |" in text("summary")[0]

    hparam = log.get_data("hyper_parameters", "hparam")[0].hparam
    kinds = {info.name: info.WhichOneof("type") for info in hparam.hparamInfos}
    stored = {info.name: getattr(info, kinds[info.name]) for info in hparam.hparamInfos}
    expected = {"model.width": 0.25, "seed": 3, "model.weights": "null", "trainer.amp": "false"}
    assert (expected | {"loss.terms.1.weight": 0.1}).items() <= stored.items()
    assert [info.name for info in hparam.metricInfos] == ["summary/iter_accuracy"]


def test_big_and_odd_hyper_parameters_are_taken(folder, run, capfd):
    run.config["odd"] = {"seed": 2**40, "small": -(2**31), "empty": {}, "list": [], "tuple": (1, "a")}
    with followed_by(VisualDLSink(), folder, run):
        pass
    del run.config["odd"]
    hparam = read(folder.path).get_data("hyper_parameters", "hparam")[0].hparam
    names = {info.name: info for info in hparam.hparamInfos}
    assert names["odd.small"].int_value == -(2**31)
    texts = {"odd.seed": str(2**40), "odd.empty": "{}", "odd.tuple.1": "a"}
    assert {name: names[name].string_value for name in texts} == texts
    assert capfd.readouterr() == ("", "")


def test_a_resumed_run_has_one_file(folder, capfd):
    track_in_two_parts(VisualDLSink, folder, "killed")
    assert [path.name for path in (folder.path / "visualdl").iterdir()] == [FILE_NAME]
    assert [record.value for record in read(folder.path).get_data("scalar", "loss")] == [0.0, 1.0]
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_to_the_home_directory(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    program = """
import sys
from pathlib import Path
from oldrestore.records.run_folder import RunFolder
from oldrestore.tracking.visualdl_sink import VisualDLSink
from tests.run_to_track import followed_by, make_run
folder = RunFolder.create(Path(sys.argv[1]), "e", "r")
with followed_by(VisualDLSink(), folder, make_run(folder)):
    folder.scalars(1, {"loss": 2.5})
import visualdl
(file,) = (folder.path / "visualdl").iterdir()
print([record.value for record in visualdl.LogReader(file_path=str(file)).get_data("scalar", "loss")])
"""
    environment = {**os.environ, "HOME": str(home)}
    command = [sys.executable, "-c", program, str(tmp_path / "outputs")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "[2.5]\n"
    assert list(home.rglob("*")) == []
