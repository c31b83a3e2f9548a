"""MLflow shows the runs of a sweep below one parent."""

from __future__ import annotations

from dataclasses import replace

from oldrestore.sweeps.ledger import Ledger
from oldrestore.sweeps.mlflow_parent import tell_mlflow
from oldrestore.sweeps.summary import summarise
from tests.sweeps.test_ledger import make_job


def test_mlflow_nests_the_runs_below_one_parent(tracked_run, tmp_path, monkeypatch):
    outputs = tracked_run.parent.parent
    tracking = {"mlflow": {"tracking_uri": None, "experiment": None}}
    job = make_job("a", outputs=str(outputs), tracking=tracking)
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.register([job])
    (entry,) = ledger.entries()
    done = replace(entry, state="done", folder=str(tracked_run))
    summary = summarise([done], "val/loss")
    summary.write(tmp_path)
    page = tmp_path / "s.html"
    page.write_text("<p>a report")
    for report in (None, page):
        assert tell_mlflow("s", job, ledger, summary, tmp_path, report) is None
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny").experiment_id
    (parent,) = client.search_runs([experiment], "tags.sweep = 's'")
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert [child.data.tags["run_id"] for child in children] == [tracked_run.name]
    assert parent.info.status == "FINISHED"
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} == {"jobs.csv", "summary.csv", "s.html"}
    # A store that stood elsewhere when the ledger heard of the parent has it still.
    moved = Ledger(tmp_path / "moved.db")
    with moved.settle_fact("mlflow parent at sqlite:////no/such/place/mlflow.db") as known:
        known.append("0" * 32)
    with moved.settle_fact("mlflow parent at sqlite:////old/mlflow.db") as known:
        known.append(parent.info.run_id)
    assert tell_mlflow("s", job, moved, summary, tmp_path) is None
    assert len(client.search_runs([experiment], "tags.sweep = 's'")) == 1
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    unreachable = {"mlflow": {"tracking_uri": "http://127.0.0.1:9", "experiment": None}}
    assert "sweep" in tell_mlflow("s", make_job("a", tracking=unreachable), ledger, summary, tmp_path)
