"""A logged run is carried out again: the same, not the same, or refused; from its folder and from MLflow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.errors import UserError
from oldrestore.records.kinds import earlier_ends
from oldrestore.records.run import Run
from oldrestore.reproduction import rerun_process
from oldrestore.reproduction.logged_run import logged_run
from tests.reproduction.test_differences import git
from tests.throwaway import Throwaway

SHORT = ["evaluation.judged=null", "trainer.max_iterations=3", "tracking=none"]


def test_an_untouched_run_is_identical_and_the_new_run_says_so(workshop, capfd, tmp_path):
    code, folder = workshop.train(*SHORT)
    assert code == 0
    capfd.readouterr()
    file = tmp_path / "certificate.md"
    assert main(["reproduce", str(folder), "--json", "-o", str(file)]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["verdict"] == "identical"
    assert found["iterations"] == 3
    (weights,) = found["comparison"]["weights"]
    assert (weights["checkpoint"], weights["differing"]) == ("last, 3 iterations", 0)
    assert found["environment"] == {}
    new = Path(found["new_folder"])
    assert main(["compare", str(folder), str(new)]) == 0
    assert "design 2" not in capfd.readouterr().out, "no setting differs"
    assert new.parent == folder.parent
    assert Run(new).status["reproduction"] == {"of": folder.name, "verdict": "identical"}
    assert json.loads((new / "reproduction.json").read_text())["run_id"] == folder.name
    assert "bit for bit" in file.read_text()
    assert (new / "texts" / "reproduction.md").read_text() == file.read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no-such-run"], "there is no run 'no-such-run'"),
        (["mlflow:" + "0" * 32], "there is no MLflow store"),
        (["{run}", "--until", "0"], "--until: must be a whole number, at least 1, not '0'"),
        (["{run}", "--until", "7"], "not among the 6 iterations"),
        (["{run}", "--tolerance", "2"], "must be a number from 0.0 to 1.0, not '2'"),
        (["{run}", "-o", "certificate.pdf"], ".md or .json"),
        (
            ["{run}", "model.width=1"],
            "only outputs=FOLDER, places of photographs (dataset.root=FOLDER) and tracking settings",
        ),
    ],
)
def test_a_wrong_request_is_one_sentence(tracked_run, tmp_path, capsys, arguments, sentence):
    typed = [argument.format(run=tracked_run) for argument in arguments]
    assert main(["reproduce", *typed, f"outputs={tmp_path}"]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_mlflow_holds_is_the_run_also_from_a_copy_of_its_store(tracked_run, tmp_path):
    from mlflow import MlflowClient

    outputs, name = tracked_run.parent.parent, tracked_run.name
    records = ("config.yaml", "data.json", "metrics.jsonl", "per_image.csv", "accuracy.csv")
    expected = {name: (tracked_run / name).read_bytes() for name in records}
    best = (tracked_run / "checkpoints" / "best.safetensors").read_bytes()
    shutil.copyfile(outputs / "mlflow.db", tmp_path / "mlflow.db")
    with logged_run(f"mlflow:{name}", tmp_path) as found:
        assert not found.weights["best"].is_relative_to(outputs), "downloaded, without artifacts beside the database"
        assert found.weights["best"].read_bytes() == best
        mlflow_id = found.mlflow_run_id
    shutil.copytree(outputs / "mlartifacts", tmp_path / "mlartifacts")
    hidden = outputs.rename(outputs.with_name("hidden"))
    try:
        for wanted, state in ((f"mlflow:{name}", "finished"), (f"{tmp_path}/mlartifacts/{mlflow_id}/artifacts", None)):
            with logged_run(wanted, tmp_path) as found:
                assert (found.run_id, found.state, found.mlflow_run_id) == (name, state, mlflow_id)
                assert {name: (found.run.folder / name).read_bytes() for name in records} == expected
                assert found.weights["best"].read_bytes() == best
    finally:
        hidden.rename(outputs)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    client.set_tag(mlflow_id, "model_uri", "models:/m-00000000000000000000000000000000")
    with logged_run(mlflow_id, tmp_path) as found:
        assert (found.run_id, found.weights) == (name, {})


def test_a_run_of_mlflow_alone_is_carried_out_below_outputs_where_no_folder_is_given(
    tracked_run, tmp_path, monkeypatch, capsys
):
    from oldrestore.reproduction import reproduce as module

    asked = []

    def stop(logged, outputs, *more):
        asked.append(outputs)
        raise module.NoVerdictError("stopped here")

    monkeypatch.setattr(module, "reproduce", stop)
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tracked_run.parent.parent / 'mlflow.db'}"
    for more in ([], ["outputs=elsewhere"]):
        assert main(["reproduce", f"mlflow:{tracked_run.name}", "--tracking-uri", uri, *more]) == 1
    assert main(["reproduce", str(tracked_run)]) == 1
    assert asked == [Path("outputs"), Path("elsewhere"), tracked_run.parent.parent]
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_that_lacks_its_records_is_refused(tracked_run, tmp_path):
    shutil.copyfile(tracked_run / "config.yaml", tmp_path / "config.yaml")
    with pytest.raises(UserError, match=r"no provenance.json and no data.json"), logged_run(str(tmp_path), tmp_path):
        pass


def test_a_process_that_breaks_down_or_is_stopped_gives_no_verdict(tracked_run, monkeypatch, capsys):
    before = list(tracked_run.parent.iterdir())
    real, outcomes = subprocess.Popen, [None, {"state": "killed", "reason": "stopped by SIGINT", "folder": "outputs/a"}]

    def fake(command, **options):
        if rerun_process.__file__ not in command:
            return real(command, **options)
        outcome = outcomes.pop(0)
        if outcome is not None:
            Path(json.loads(Path(command[-1]).read_text())["result"]).write_text(json.dumps(outcome))
        return real([sys.executable, "-c", "raise SystemExit(139)"], **options)

    monkeypatch.setattr(subprocess, "Popen", fake)
    for said in ("broke down (it ended with 139)", "was stopped by SIGINT: outputs/a"):
        assert main(["reproduce", str(tracked_run)]) == 1
        assert said in capsys.readouterr().err
    assert list(tracked_run.parent.iterdir()) == before


def test_what_a_resumed_run_may_lack_is_not_held_against_it(tmp_path):
    assert earlier_ends(tmp_path) == set()
    for number, changed in (("001", {"trainer.max_iterations": [6, 9]}), ("002", {"trainer.workers": [0, 1]})):
        folder = tmp_path / "resumes" / number
        folder.mkdir(parents=True)
        (folder / "resume.json").write_text(json.dumps({"changed": changed}))
    assert earlier_ends(tmp_path) == {6}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_changed_line_differs_and_the_code_of_then_does_not(workshop, tmp_path):
    from mlflow import MlflowClient

    code = Throwaway(tmp_path / "code").folder
    (code / ".gitignore").write_text("__pycache__\n")
    git(tmp_path, "init", "-q", str(code))
    git(code, "add", "--all")
    git(code, "commit", "-qm", "all")

    def oldrestore(*arguments: str, exit_code: int = 0) -> str:
        environment = os.environ | {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-P", "-m", "oldrestore", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout

    oldrestore("train", *workshop.arguments(SHORT), "tracking=mlflow", "tracking.mlflow.system_metrics=false")
    (folder,) = workshop.outputs.glob("tiny/*")
    assert Run(folder).provenance["dirty"] is False
    loss = code / "oldrestore" / "losses" / "classification.py"
    text = loss.read_text()
    assert text.count("return weighted\n") == 1
    loss.write_text(text.replace("return weighted\n", "return weighted * 1.01\n"))
    last = oldrestore("reproduce", str(folder), "--until", "1", "tracking=none", exit_code=1).splitlines()[-1]
    assert last.startswith("differs at iteration 0: train/loss was ")
    assert "oldrestore/losses/classification.py (uncommitted patch none -> " in last

    # Of what another server has of the run, whose own folder is gone; with the code of then.
    elsewhere = workshop.outputs.rename(tmp_path / "elsewhere")
    shutil.rmtree(elsewhere / "tiny")
    where = ["--tracking-uri", f"sqlite:///{elsewhere / 'mlflow.db'}", f"outputs={workshop.outputs}"]
    found = json.loads(oldrestore("reproduce", f"mlflow:{folder.name}", *where, "--worktree", "--json"))
    assert (found["verdict"], found["code"]["in_words"]) == ("identical", "oldrestore's code is the same")
    assert found["comparison"]["weights"][0]["checkpoint"].startswith("best")
    client = MlflowClient(tracking_uri=f"sqlite:///{workshop.outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny").experiment_id
    (record,) = client.search_runs([experiment], f"tags.run_id = '{found['new_run_id']}'")
    assert record.data.tags["reproduction.verdict"] == "identical"
    assert record.data.tags["reproduction.of_mlflow_run"] == found["mlflow_run_id"]
