"""The Python interface: frames hold what the files hold, and the notebook runs from its first cell to its last."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from oldrestore.api import UserError, compare_runs, load_run, load_runs, scores_frame
from tests.comparison.synthetic import make_run, scores

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
