"""Runs and photographs that were moved are what they were: resumed, reproduced, compared, reported and synced."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.tracking.mlflow_moved import RUN_FOLDER_TAG, local_path
from oldrestore.tracking.mlflow_store import open_store
from tests.generated_photographs import make_photograph
from tests.run.same_run import assert_same_tensors, last, stopped_run
from tests.workshop import Workshop

SHORT = ("tracking=none", "evaluation.judged=null", "trainer.evaluate_every=3")
TRACKED = ("tracking.mlflow.system_metrics=false", "evaluation.judged=null")


def moved(path: Path, name: str = "elsewhere") -> Path:
    """Move a folder as ``mv`` does, and return where it is."""
    new = path.parent / f"{path.name} {name}" / name
    new.parent.mkdir()
    shutil.move(path, new)
    return new


def error_of(capsys, *arguments: str) -> str:
    """Run what must be refused, and return the one sentence."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err.removeprefix("reproducing ")
    assert "Traceback" not in error
    return error.strip().splitlines()[-1]


def sent_by_sync(capsys, *arguments: str) -> dict:
    capsys.readouterr()
    assert main(["sync", *arguments, "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    return {name: tracker["sent"] for name, tracker in run["trackers"].items()}


@pytest.fixture
def movable(make_workshop, tmp_path) -> Workshop:
    """A workshop with photographs of its own."""
    photos = shutil.copytree(make_workshop().photos, tmp_path / "photographs")
    return Workshop(Path(photos), tmp_path / "outputs")


@pytest.mark.parametrize("name", ["elsewhere", "a?b%20c#d"])
def test_tracked_runs_that_were_moved_are_what_they_were(movable, name, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, first = movable.train(*TRACKED, "tracking=default")
    assert code == 0
    away = "tracking.mlflow.tracking_uri=http://127.0.0.1:9"
    code, second = movable.train(*TRACKED, "tracking=default", "seed=1", away)
    assert Run(second).status["sinks"]["mlflow"]["state"] == "off"
    old, new = movable.outputs, moved(movable.outputs, name)
    first, second = (new / folder.relative_to(old) for folder in (first, second))

    # What was sent is there; what was not can be sent now.
    here = "tracking.mlflow.tracking_uri=null"
    assert sent_by_sync(capsys, str(first)) == {"mlflow": {}, "visualdl": {}}
    assert Run(first).status["sinks"]["visualdl"]["logdir"] == str(first / "visualdl")
    sent = sent_by_sync(capsys, str(second), here)
    assert sent["mlflow"]["runs"] == sent["mlflow"]["models"] == 1
    store = open_store(None, new, "tiny")
    for folder in (first, second):
        (record,) = store.client.search_runs([store.experiment_id], f"tags.run_id = '{folder.name}'")
        artifacts = local_path(record.info.artifact_uri)
        assert artifacts == new / "mlartifacts" / record.info.run_id / "artifacts"
        assert (artifacts / "metrics.jsonl").read_bytes() == (folder / "metrics.jsonl").read_bytes()
        assert record.data.tags[RUN_FOLDER_TAG] == str(folder)
        model = record.data.tags["model_uri"].removeprefix("models:/")
        best = new / "mlartifacts" / "models" / model / "artifacts" / "artifacts" / "best.safetensors"
        assert best.read_bytes() == (folder / "checkpoints" / "best.safetensors").read_bytes()

    # An artifact that was lost on the way is sent again.
    (artifacts / "data.json").unlink()
    assert sent_by_sync(capsys, str(second), here)["mlflow"] == {"files": 1}
    shutil.rmtree(best.parent.parent)
    assert sent_by_sync(capsys, str(second), here)["mlflow"] == {"models": 1}

    for words in (["compare", "--json"], ["report"]):
        assert main([*words, str(first), str(second), f"outputs={new}"]) == 0
    assert (new / "reports" / "tiny.html").is_file()
    assert main(["reproduce", f"mlflow:{first.name}", f"outputs={new}", "tracking=none", "--until", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("identical: ")
    assert main(["train", f"resume={first}", "trainer.max_iterations=8"]) == 0
    assert Run(first).composed.outputs == str(new)
    assert Run(first).curves["train/loss"].iterations.tolist() == list(range(8))
    assert sent_by_sync(capsys, str(first)) == {"mlflow": {}, "visualdl": {}}
    assert not old.exists()
    assert [path.name for path in new.parent.iterdir()] == [name]


def test_a_sweep_that_was_moved_has_its_scores_and_runs_again_what_is_gone(movable, capsys):
    settings = [*SHORT, "trainer.max_iterations=3", "tracking=mlflow", "tracking.mlflow.system_metrics=false"]

    def sweep(*more: str) -> str:
        capsys.readouterr()
        assert main(["sweep", "--name", "s", "seed=0,1", *movable.arguments(settings), *more]) == 0
        return capsys.readouterr().out

    sweep()
    old, new = movable.outputs, moved(movable.outputs)
    movable.outputs = new
    summary = new / "sweeps" / "s" / "summary.csv"
    table = summary.read_text()
    assert "val/loss" in table
    out = sweep()
    assert "jobs        2, 2 skipped (done)\n" in out
    assert f"report      {new / 'reports' / 's.html'} (2 runs)\n" in out
    assert summary.read_text() == table
    shutil.rmtree(next((new / "tiny").iterdir()))
    assert sorted(line.split()[1] for line in sweep("--dry-run").splitlines()[:2]) == ["done", "lost"]
    assert "jobs        2, 1 skipped (done), 1 run again (done, but the run folder is gone)\n" in sweep()
    assert len(list((new / "tiny").iterdir())) == 2
    assert summary.read_text() == table
    store = open_store(None, new, "tiny")
    assert len(store.client.search_runs([store.experiment_id], "tags.sweep = 's'")) == 1
    assert not old.exists()


def test_photographs_that_were_moved_are_recognized(movable, capsys, tmp_path):
    code, folder = movable.train(*SHORT)
    assert code == 0
    old, new = movable.photos, moved(movable.photos)
    further = ["train", f"resume={folder}", "trainer.max_iterations=8"]
    assert f"the folder {old} of image_folder does not exist" in error_of(capsys, *further)

    # Others are refused, and nothing is touched.
    other = Path(shutil.copytree(new, tmp_path / "other"))
    Image.fromarray(make_photograph(77)).save(other / "train" / "0" / "train3.jpg")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    error = error_of(capsys, *further, f"dataset.root={other}")
    assert "'train/0/train3.jpg' has other contents or another label" in error
    assert "train3.jpg" in error_of(capsys, "reproduce", str(folder), f"dataset.root={other}")
    assert "is not understood here" in error_of(capsys, "reproduce", str(folder), f"dataset.toor={new}")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert list(folder.parent.iterdir()) == [folder]

    assert main(["reproduce", str(folder), f"dataset.root={new}", "-o", str(tmp_path / "found.json")]) == 0
    certificate = json.loads((tmp_path / "found.json").read_text())
    assert certificate["verdict"] == "identical"
    assert certificate["places"] == {"dataset.root": [str(old), str(new)]}
    again = Run(certificate["new_folder"])
    assert again.composed.dataset.root == str(new)
    assert f"dataset.root='{new}'" in again.overrides
    assert f"dataset.root={old}" not in again.overrides
    assert f"- Moved: `dataset.root` was `{old}`, is `{new}`" in (again.folder / "texts/reproduction.md").read_text()
    assert Run(folder).composed.dataset.root == str(old)

    # By what it was trained on, evaluate weighs and checks what it measures.
    capsys.readouterr()
    training = "evaluation.rebalancing=training"
    assert main(["evaluate", str(folder), f"dataset.root='{new}'", training, "--json"]) == 0
    printed = capsys.readouterr()
    assert "nobody checked" not in printed.out + printed.err
    measured = json.loads(printed.out)["validation"]
    assert measured["auc"] == pytest.approx(Run(folder).status["summary"]["val/auc"])
    assert "does not exist" in error_of(capsys, "evaluate", str(folder), training)

    assert main([*further, f"dataset.root='{new}'"]) == 0
    assert Run(folder).composed.dataset.root == str(new)
    assert Run(folder).overrides[-2:] == ["trainer.max_iterations=8", f"dataset.root='{new}'"]
    (note,) = folder.glob("resumes/*/resume.json")
    assert json.loads(note.read_text())["changed"]["dataset.root"] == [str(old), str(new)]
    code, whole = Workshop(new, movable.outputs).train(*SHORT, "trainer.max_iterations=8", f"dataset.root='{new}'")
    assert_same_tensors(last(folder), last(whole))


def test_the_judged_photographs_may_be_moved_too(movable, capsys, tmp_path):
    judged = Path(shutil.copytree(movable.photos, tmp_path / "judged"))
    settings = [word for word in movable.arguments() if not word.startswith("evaluation.judged")]
    settings += ["dataset@evaluation.judged=image_folder", f"evaluation.judged.root={judged}"]
    settings += [f"evaluation.judged.crops.{name}" for name in ("size=48", "crop=32", "evaluation_size=32")]
    assert main(["train", *settings, "evaluation.judged_split=val", "tracking=none"]) == 0, capsys.readouterr().err
    (folder,) = movable.outputs.glob("tiny/*")
    new = moved(judged)
    assert main(["reproduce", str(folder), f"evaluation.judged.root={new}", "--until", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("identical: ")


def test_auto_recognizes_photographs_and_begins_a_run_on_others(movable, monkeypatch, tmp_path):
    folder = stopped_run(movable, monkeypatch, *SHORT)
    new = moved(movable.photos)
    other = Path(shutil.copytree(new, tmp_path / "other"))
    (other / "train" / "0" / "train0.jpg").unlink()
    code, begun = Workshop(other, movable.outputs).train(*SHORT, "resume=auto")
    assert code == 0
    assert begun is not None and begun != folder
    assert Workshop(new, movable.outputs).train(*SHORT, f"dataset.root='{new}'", "resume=auto") == (0, None)
    assert Run(folder).state == "finished"
    assert Run(folder).composed.dataset.root == str(new)
