"""A run whose MLflow server was away is sent to it later, once."""

import json
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.tracking.mlflow_sink import MLflowSink
from tests.run.same_run import assert_trackers_have_each_step_once, last, mlflow_steps

MLFLOW = ["tracking=mlflow", "tracking.mlflow.system_metrics=false"]
NOTHING = {"state": "complete", "sent": {}, "reason": None}


def sync(capsys, *arguments: str) -> tuple[int, dict]:
    capsys.readouterr()
    code = main(["sync", *arguments, "--json"])
    ((run,)) = json.loads(capsys.readouterr().out)
    return code, run["trackers"]


def test_what_a_server_missed_is_sent_once(workshop, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = "tracking.mlflow.tracking_uri=http://127.0.0.1:9"
    code, folder = workshop.train(*MLFLOW[1:], "tracking=default", away, "evaluation.judged=null")
    assert code == 0
    printed = capsys.readouterr()
    assert f"oldrestore sync {folder}" in printed.out
    assert printed.err.count("mlflow tracking") == 1
    before = Run(folder).status
    assert before["sinks"]["mlflow"]["state"] == "off"
    # It is still away.
    code, trackers = sync(capsys, str(folder))
    assert (code, trackers["mlflow"]["state"], trackers["visualdl"]) == (1, "off", NOTHING)
    # It is back, here in the form of a file.
    uri = f"tracking.mlflow.tracking_uri=sqlite:///{workshop.outputs / 'mlflow.db'}"
    code, trackers = sync(capsys, folder.name, f"outputs={workshop.outputs}", uri)
    assert code == 0
    sent = trackers["mlflow"]["sent"]
    after = Run(folder)
    assert sent["metrics"] == sum(len(curve) for curve in after.curves.values()) + len(after.status["summary"])
    assert (sent["runs"], sent["pictures"], sent["models"], sent["states"]) == (1, 2, 1, 1)
    assert_trackers_have_each_step_once(folder)
    _, record = mlflow_steps(workshop.outputs, folder.name)
    assert record.info.start_time < record.info.end_time
    assert record.data.params["model.width"] == "0.0625"
    assert [after.status[name] for name in ("started", "pid")] == [before[name] for name in ("started", "pid")]
    assert after.status["sinks"]["mlflow"]["state"] == "complete"
    # Again: there is nothing to send.
    code, trackers = sync(capsys, str(folder), uri)
    assert (code, trackers["mlflow"]["sent"]) == (0, {})
    assert mlflow_steps(workshop.outputs, folder.name)[1].info.end_time == record.info.end_time


def log_in_mlflow(folder: Path, to: Path) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder.parent.parent / 'mlflow.db'}")
    run_id = Run(folder).status["sinks"]["mlflow"]["run_id"]
    return Path(client.download_artifacts(run_id, "log.txt", str(to))).read_text()


def test_a_run_that_ended_well_leaves_nothing_to_send(tracked_run, tmp_path, capsys):
    log = (tracked_run / "log.txt").read_text()
    table, _, lines = log.partition("judge efficientnet_lite0, n = 3\n")[2].partition("95% intervals")
    assert table.split()[:4] == ["photos", "iter", "orig", "gray"]
    assert [line.split()[0] for line in lines.splitlines()[-5:-1]] == ["curves", "next", "oldrestore", "oldrestore"]
    assert log.endswith(f"{tracked_run}\n")
    assert not any(line != line.rstrip() for line in log.splitlines())
    assert log_in_mlflow(tracked_run, tmp_path) == log
    assert sync(capsys, str(tracked_run)) == (0, {"mlflow": NOTHING, "visualdl": NOTHING})


def test_a_run_that_failed_leaves_nothing_to_send(workshop, tmp_path, capsys):
    code, folder = workshop.train(*MLFLOW, "optimizer.learning_rate=1e30")
    assert code == 1
    log = (folder / "log.txt").read_text()
    assert "\nthe run failed: " in log
    assert "train resume=" not in log, "it would become NaN again"
    assert log_in_mlflow(folder, tmp_path) == log
    assert sync(capsys, str(folder))[1]["mlflow"]["sent"] == {}


@pytest.mark.slow
def test_a_sink_that_failed_in_the_middle_is_completed(workshop, monkeypatch, capsys):
    def broken(sink, *arguments):
        raise ConnectionError("gone")

    monkeypatch.setattr(MLflowSink, "accuracy", broken)
    code, folder = workshop.train(*MLFLOW)
    monkeypatch.undo()
    assert code == 0
    _, record = mlflow_steps(workshop.outputs, folder.name)
    assert (record.info.status, record.data.tags["tracking_incomplete"]) == ("FAILED", "true")
    assert sync(capsys, str(folder))[0] == 0
    steps, record = mlflow_steps(workshop.outputs, folder.name)
    assert record.info.status == "FINISHED"
    assert "tracking_incomplete" not in record.data.tags
    trained = {name: at for name, at in steps.items() if not name.startswith("summary/")}
    assert trained == {name: curve.iterations.tolist() for name, curve in Run(folder).curves.items()}


def test_a_run_that_was_not_tracked_can_be_and_others_are_refused(workshop, capsys):
    code, folder = workshop.train("tracking=none", "evaluation.judged=null", "trainer.max_iterations=1")
    assert code == 0
    assert sync(capsys, str(folder)) == (0, {})
    code, trackers = sync(capsys, str(folder), "tracking=visualdl")
    assert (code, trackers["visualdl"]["sent"]["pictures"]) == (0, 1)
    assert last(folder).state["iteration"] == 1
    for words, sentence in [
        (["outputs=x"], "sync needs a run"),
        ([str(folder), "seed=1"], "only outputs=FOLDER and tracking settings are"),
        ([str(folder), "tracking.mlflow.tracking_uri=x"], "mlflow"),
        ([str(folder), "tracking=comet"], "comet"),
        (["nothing"], "there is no run 'nothing'"),
    ]:
        capsys.readouterr()
        assert main(["sync", *words]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
    # A run that is still running tells its trackers itself; the process is this one.
    path = folder / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "running"}))
    for words in (["sync", str(folder)], ["train", f"resume={folder}"]):
        assert main(words) == 2
        assert "is still running" in capsys.readouterr().err
