"""Run folders from before the modules moved are listed, compared, reported, synced, resumed and reproduced."""

import json
import shutil
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.comparison.designs import designs_of, differences_between
from oldrestore.comparison.sameness import mismatch
from oldrestore.config.aliases import MOVED
from oldrestore.errors import UserError
from oldrestore.records.asked_settings import agreed, leaves
from oldrestore.records.run import Run
from tests.generated_photographs import make_folder

WRITTEN = Path(__file__).with_name("version_0_1")


@pytest.fixture
def outputs(tmp_path) -> Path:
    """A copy of what was written: a run that ended after 3 iterations, and one of 60 that was stopped."""
    return Path(shutil.copytree(WRITTEN, tmp_path / "outputs"))


@pytest.fixture
def photographs(tmp_path) -> Path:
    """What it was trained on: three classes, six photographs and three."""
    return make_folder(tmp_path / "photographs")


def test_they_are_listed_with_their_values(outputs, capsys):
    assert main(["runs", f"outputs={outputs}", "--where", "val/auc>0.7", "--where", "model.width=0.02", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["run_id"], listed["state"]) == ("finished", "finished")
    assert listed["values"]["val/auc"] == pytest.approx(0.7290907118)
    assert Run(outputs / "tiny" / "stopped").state == "killed"


def test_they_are_compared_and_reported(outputs, capsys):
    folder = str(outputs / "tiny" / "finished")
    assert main(["compare", folder, "--json"]) == 0
    assert '"auc"' in capsys.readouterr().out
    page = outputs / "page.html"
    assert main(["report", folder, "-o", str(page)]) == 0
    assert "finished" in page.read_text(encoding="utf-8")


def test_they_are_synced_to_a_store_that_knows_nothing_of_them(outputs, capsys):
    assert main(["sync", str(outputs / "tiny" / "finished"), f"outputs={outputs}", "--json"]) == 0
    ((run,)) = json.loads(capsys.readouterr().out)
    read = Run(outputs / "tiny" / "finished")
    logged = sum(len(curve.values) for curve in read.curves.values())
    assert run["trackers"]["mlflow"]["sent"]["metrics"] == logged + len(read.status["summary"]) == 21 + 11


def test_one_that_was_stopped_is_resumed_where_its_photographs_are_now(outputs, photographs):
    folder = outputs / "tiny" / "stopped"
    before = Run(folder).curves["train/loss"].values
    arguments = [f"resume={folder}", f"dataset.root={photographs}", "tracking=none"]
    assert main(["train", *arguments]) == 0
    after = Run(folder)
    assert after.state == "finished"
    losses = after.curves["train/loss"].values
    assert len(losses) == 60
    assert losses[:3].tolist() == before[:3].tolist()


def test_one_that_ended_is_reproduced(outputs, photographs, capfd):
    folder = outputs / "tiny" / "finished"
    assert main(["reproduce", str(folder), f"dataset.root={photographs}", "tracking=none", "--json"]) == 0
    # Identical on the processor that trained it.
    assert json.loads(capfd.readouterr().out)["verdict"] in ("identical", "within tolerance")


def test_the_same_run_of_today_is_of_the_same_design(outputs):
    """Classes of the configuration have moved since."""
    then, now = outputs / "tiny" / "finished", outputs / "tiny" / "today"
    shutil.copytree(then, now)
    (now / "config.json").unlink(missing_ok=True)
    text = (now / "config.yaml").read_text(encoding="utf-8")
    assert "oldrestore.data.crops.Crops" in text
    for before, current in MOVED.items():
        text = text.replace(f" {before}\n", f" {current}\n")
    assert "oldrestore.data.crops.Crops" not in text
    (now / "config.yaml").write_text(text.replace("seed: 0", "seed: 1"), encoding="utf-8")
    runs = [Run(then), Run(now)]
    (design,) = designs_of(runs)
    assert (len(design.runs), design.repeats) == (2, ())
    assert differences_between([design]) == {}
    assert mismatch(*runs) is None
    configs = [run.composed for run in runs]
    with pytest.raises(UserError, match="seed is 0 in run"):
        agreed(leaves(configs[1]), configs[1], configs[0], then)
    asked = {name: value for name, value in leaves(configs[1]).items() if name != "seed"}
    assert agreed(asked, configs[1], configs[0], then)[1] == {}
    assert runs[0].all_of("dataset")[-2:] == runs[1].all_of("dataset")[-2:] == ["ImageFolder", "image_folder"]
    assert runs[0].get("inputs._target_") == "oldrestore.data.inputs.colors.Colors"
