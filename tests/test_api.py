"""The Python interface: frames hold what the files hold, and the notebook runs from its first cell to its last."""

import json
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from oldrestore.api import UserError, colorize, compare_runs, designs, load_run, load_runs, scores_frame
from tests.comparison.synthetic import make_run, scores
from tests.comparison.test_baselines import csv_of
from tests.generated_photographs import make_photograph

PAGE = Path(__file__).parent.parent / "docs" / "python_api.md"
NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebooks" / "compare_runs.ipynb"


@pytest.fixture
def outputs(tmp_path) -> Path:
    for seed in (0, 1):
        make_run(tmp_path, f"good{seed}", {"seed": seed, "loss.sigma": 7.0}, scored=scores(0.08, seed))
        make_run(tmp_path, f"plain{seed}", {"seed": seed}, scored=scores(0.0, seed))
    return tmp_path


def test_a_run_gives_what_its_files_say(outputs):
    run = load_run("good1", outputs)
    assert (run.run_id, run.experiment, run.seed, run.state) == ("good1", "e", 1, "finished")
    assert run.get("loss.sigma") == run.settings["loss.sigma"] == run.config["loss"]["sigma"] == 7.0
    assert run.get("val/auc") == 0.8
    assert "seed" not in run.settings and "trainer.workers" not in run.settings
    names, metrics = scores(0.08, 1)["val"]
    found = run.scores[run.scores["metric"] == "auc_rebalanced"].set_index("image")
    assert list(found.index) == names
    assert np.array_equal(found["value"], metrics["auc_rebalanced"][0])  # to the bit
    assert np.array_equal(found["weight"], metrics["auc_rebalanced"][1])
    assert dict(run.metrics.set_index("name")["value"]) == {"train/loss": 1.5, "time/training_seconds": 12.0}


def test_odd_names_and_values_come_back(tmp_path):
    odd = {"val": (["NA", "nan", "a,b\n.jpg"], {"psnr": (np.array([np.nan, np.inf, 1e-300]), np.ones(3))})}
    found = load_run(make_run(tmp_path, "odd", scored=odd)).scores
    assert list(found["image"]) == ["NA", "nan", "a,b\n.jpg"]
    assert np.array_equal(found["value"], [np.nan, np.inf, 1e-300], equal_nan=True)


def test_runs_are_found_by_conditions(outputs):
    assert [r.run_id for r in load_runs("loss.sigma=7", "seed=1", outputs=outputs)] == ["good1"]
    assert sorted(r.run_id for r in load_runs(outputs=outputs)) == ["good0", "good1", "plain0", "plain1"]
    frame = scores_frame(load_runs("seed=0", outputs=outputs))
    assert set(frame["run_id"]) == {"good0", "plain0"} and list(frame.columns[:2]) == ["run_id", "seed"]
    with pytest.raises(UserError, match="there is no run"):
        load_run("none", outputs)
    with pytest.raises(UserError, match="none of the runs has scores"):
        scores_frame([])


def test_scores_say_which_design_they_are_of(tmp_path):
    for seed in (0, 1):
        for name, width in (("focal", 0.25), ("focal", 0.5), ("l1", 0.5)):
            settings = {"seed": seed, "model.width": width, "loss.sigma": len(name)}
            choices = {"loss": name, "model": "eccv16"}
            make_run(tmp_path, f"{name}-{width}-{seed}", settings, scored=scores(width / 10, seed), choices=choices)
    frame = designs(load_runs("seed=0", outputs=tmp_path) + load_runs("seed=1", outputs=tmp_path))
    assert list(frame.columns[:6]) == ["design", "loss", "model", "model.width", "run_id", "seed"]
    assert (frame["model"] == "eccv16").all()
    found = frame[["design", "loss", "model.width", "run_id"]].drop_duplicates()
    assert sorted(found.itertuples(index=False, name=None)) == sorted(
        (f"loss={name}, width={width}", name, width, f"{name}-{width}-{seed}")
        for name, width in (("focal", 0.25), ("focal", 0.5), ("l1", 0.5))
        for seed in (0, 1)
    )
    # A plain mean over photographs and seeds, by the files themselves.
    expected = np.mean([scores(0.05, seed)["val"][1]["psnr"][0] for seed in (0, 1)])
    psnr = frame[frame["metric"] == "psnr"].groupby("design")["value"].mean()
    assert psnr["loss=l1, width=0.5"] == pytest.approx(expected, rel=1e-12)
    by_run = designs(load_runs("loss=l1", outputs=tmp_path), by_run=True)
    assert list(by_run["design"].unique()) == ["seed=0", "seed=1"] and list(by_run.columns).count("seed") == 1
    with pytest.raises(UserError, match="none of the runs has scores"):
        designs([])


def test_a_run_colours_an_array_as_the_verb_does(tracked_run, tmp_path, cli):
    rgb = make_photograph(5, 96)[:70]
    Image.fromarray(rgb).save(tmp_path / "old.png")
    cli("colorize", tmp_path / "old.png", "-o", tmp_path / "out", "--run", tracked_run, "--dynamic")
    run = load_run(tracked_run)
    found = run.colorize(rgb)
    with Image.open(tmp_path / "out" / "old-colorized.png") as written:
        np.testing.assert_array_equal(found, np.asarray(written))
    assert found.shape == (70, 96, 3) and found.std(axis=-1).max() > 0, "there is colour"
    gray = np.repeat(rgb.mean(axis=-1, keepdims=True), 3, axis=-1)
    for wrong in (gray, rgb[..., 0], rgb[:0], np.dstack([rgb, rgb[..., :1]])):
        with pytest.raises(ValueError, match=r"a photograph is uint8 \(H, W, 3\), not "):
            run.colorize(wrong)


def test_a_later_evaluation_is_compared_like_a_run(outputs):
    first = next(outputs.glob("*/good0"))
    again = make_run(outputs, "later", {"loss.sigma": 7.0}, scored=scores(0.0, 3))
    place = first / "evaluations" / "later"
    place.parent.mkdir()
    again.rename(place)
    (place / "status.json").unlink()
    run = load_run(place)
    assert (run.run_id, run.is_evaluation, run.state) == ("good0/later", True, "finished")
    found = compare_runs([load_run("good0", outputs), run], by_run=True, measures=["auc"])
    assert [cells["auc"].mark for cells in found.cells] == ["best", ""]
    assert [design.runs[0].run_id for design in found.designs] == ["good0", "good0/later"]


def test_the_code_of_the_page_runs_in_order(tmp_path, monkeypatch, capsys):
    for width in (0.25, 0.5):
        for seed in (0, 1):
            name, settings = f"{width}-{seed}", {"experiment": "losses", "seed": seed, "model.width": width}
            choices = {"loss": "l1", "model": "eccv16"}
            folder = make_run(tmp_path / "outputs", name, settings, scored=scores(width / 10, seed), choices=choices)
            (folder / "baselines.csv").write_text(csv_of({"gray": -0.03, "tint": 0.0}))
    make_run(tmp_path / "outputs", "failed", {"experiment": "losses"}, scored=scores(), state="failed")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    names: dict = {}
    for block in blocks:
        if "colorize" not in block:  # which the test above does
            exec(compile(block.replace("20261122-1107", "0.25-0"), "block", "exec"), names)  # noqa: S102 - our own page
    assert len(names["runs"]) == 4 and "failed" not in set(names["frame"]["run_id"])
    assert [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()] == names["table"].names
    assert names["gray"] == names["table"].baselines["gray"]["auc_rebalanced"].value > 0


def test_the_notebook_runs(outputs, monkeypatch, capsys):
    monkeypatch.setenv("OLDRESTORE_OUTPUTS", str(outputs))
    matplotlib.use("Agg")
    names: dict = {}
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            assert "oldrestore." not in "".join(cell["source"]).replace("oldrestore.api", ""), "public names alone"
            exec(compile("".join(cell["source"]), "cell", "exec"), names)  # noqa: S102 - our own notebook
    assert len(names["table"].designs) == 2
    assert names["figures"].loc["good0", "psnr"] == pytest.approx(scores(0.08, 0)["val"][1]["psnr"][0].mean())
    assert "auc_rebalanced" in capsys.readouterr().out
    cells = [cells[names["measure"].name] for cells in names["table"].cells]
    lines = [line.get_xdata() for line in names["axes"].get_lines()]
    assert [list(ends) for ends in lines[::2]] == [[cell.low, cell.high] for cell in cells]
    assert [list(points) for points in lines[1::2]] == [[cell.value] for cell in cells]
    assert names["axes"].get_xlabel() == "accuracy on recoloured photographs"
    names["plt"].close(names["figure"])


def test_a_photograph_is_coloured_as_the_command_does(cli, tmp_path):
    rgb = make_photograph(3, 96)[:72]
    Image.fromarray(rgb).save(tmp_path / "old.png")
    asked = "--variants", "2", "--certainty", "--strength", "0.8", "--size", "64", "--dynamic"
    cli("colorize", tmp_path / "old.png", "-o", tmp_path / "out", *asked)
    made = colorize(rgb, variants=2, certainty=True, strength=0.8, size=64)
    for name, picture in zip(("colorized", "variant2"), made.pictures, strict=True):
        np.testing.assert_array_equal(picture, np.asarray(Image.open(tmp_path / "out" / f"old-{name}.png")))
    np.testing.assert_array_equal(made.certainty, np.asarray(Image.open(tmp_path / "out" / "old-certainty.png")))
    (plain,) = colorize(rgb, size=64).pictures
    assert plain.shape == rgb.shape and (plain != made.pictures[0]).any()


def test_a_photograph_or_hints_that_cannot_be_coloured_are_refused():
    rgb = make_photograph(3, 64)
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\), not float32"):
        colorize(rgb.astype(np.float32))
    with pytest.raises(UserError, match="hint 1 of the hints must have either"):
        colorize(rgb, hints=[{"x": 1, "y": 2, "radius": 3}])
    with pytest.raises(UserError, match="variants"):
        colorize(rgb, variants=0)
