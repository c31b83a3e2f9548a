"""What follows a sweep: its report, which never hurts it, and its parent run in MLflow."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from oldrestore.report import contents
from oldrestore.report.shelf import list_reports, reports_folder
from oldrestore.sweeps.ledger import Entry, Ledger
from oldrestore.sweeps.mlflow_parent import tell_mlflow
from oldrestore.sweeps.report import report_on
from oldrestore.sweeps.summary import summarise
from tests.comparison.synthetic import make_designs, make_run
from tests.sweeps.test_ledger import make_job


def entry(key: str, seed: int, state: str, folder: Path | None) -> Entry:
    place = None if folder is None else str(folder)
    reason = "the loss is <NaN>" if state == "failed" else None
    return Entry(key, f"i {key[:1]}", seed, "c", {"loss": key[:1]}, state, reason, None, key, place, None, 1, None)


@pytest.fixture
def entries(tmp_path) -> list[Entry]:
    """Two designs of two seeds that are done, one job that failed and one that waits."""
    runs = make_designs(tmp_path, {"a": 0.0, "b": 0.05}, (0, 1))
    done = [entry("aabb"[at] + str(run.seed), run.seed, "done", run.folder) for at, run in enumerate(runs)]
    broken = make_run(tmp_path, "failed-run", {"seed": 2}, state="failed")
    return [*done, entry("b2", 2, "failed", broken), entry("a2", 2, "queued", None)]


def test_jobs_that_are_done_are_in_it_and_the_others_are_said_to_be_left_out(tmp_path, entries):
    made = report_on("my_sweep", entries, tmp_path, photographs=0)
    assert made.path == tmp_path / "reports" / "my_sweep.html"
    assert made.line == f"{made.path} (4 runs, 2 of 6 jobs left out: not done, or without scores)"
    (listed,) = list_reports(reports_folder(tmp_path))
    assert (listed.title, listed.runs, listed.name) == ("my_sweep", 4, "my_sweep.html")
    page = made.path.read_text()
    assert f"oldrestore reproduce {tmp_path / 'e' / 'd1-1'}" in page
    assert "failed-run" not in page, "a failed run is no result"
    assert '<p class="warning">loss=b seed=2 failed (the loss is &lt;NaN&gt;)</p>' in page
    # Again, with all done: the page is replaced, and nothing is said to be missing.
    again = report_on("my_sweep", entries[:4], tmp_path, photographs=0, notes=["kept although <a> changed"])
    assert '<p class="warning">kept although &lt;a&gt; changed</p>' in again.path.read_text()
    assert again.line == f"{made.path} (4 runs)"
    assert sorted(path.name for path in made.path.parent.iterdir()) == ["index.html", "my_sweep.html"]
    assert 'href="my_sweep.html"' in (made.path.parent / "index.html").read_text()
    # Of a sweep over the protocol, groups stand apart.
    other = make_run(tmp_path, "c0", {"evaluation.size": 64}, choices={"loss": "c"})
    made = report_on("s", [*entries[:4], entry("c0", 0, "done", other)], tmp_path, photographs=0)
    assert made.line == f"{made.path} (5 runs)"
    assert f"oldrestore reproduce {other}" in made.path.read_text()


def test_whatever_goes_wrong_is_said_and_not_raised(tmp_path, entries, monkeypatch):
    assert report_on("s", entries[4:], tmp_path).line == "none, for no job is done"
    bare = make_run(tmp_path, "bare", scored={})
    done = [entry("bare", 0, "done", bare), entry("gone", 0, "done", tmp_path / "removed")]
    assert report_on("s", done, tmp_path).line.startswith("none, for no run has scores")
    (tmp_path / "reports").write_text("a file stands where the folder should be")
    refused = report_on("s", entries, tmp_path, photographs=0)
    assert refused.path is None and refused.line.startswith("none: the report cannot be written to")
    for error, words in (
        (RuntimeError("a bug\nof two lines"), "none: RuntimeError: a bug of two lines"),
        (MemoryError(), "none: MemoryError: no reason given"),
        (KeyboardInterrupt(), "none: it was stopped"),
    ):
        monkeypatch.setattr(contents, "gather", Mock(side_effect=error))
        made = report_on("s", entries, tmp_path, photographs=0)
        assert (made.path, made.line) == (None, words)


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
