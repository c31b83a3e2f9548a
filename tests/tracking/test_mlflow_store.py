"""MLflow's store is found where it is named, and made once however many processes come at a time."""

import os
import subprocess
import sys
import textwrap
import time

import pytest

from oldrestore.tracking.mlflow_store import default_uri, open_store, resolve_uri, sqlite_path, without_credentials


def test_uris(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_uri(tmp_path / "o") == f"sqlite:///{tmp_path}/o/mlflow.db"
    assert resolve_uri(None, tmp_path) == default_uri(tmp_path)
    assert resolve_uri("sqlite:///my.db", tmp_path / "x") == f"sqlite:///{tmp_path}/my.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://a.b/c")
    assert resolve_uri(None, tmp_path) == "https://a.b/c"
    assert resolve_uri("sqlite:////x/y.db", tmp_path) == "sqlite:////x/y.db"
    assert sqlite_path("https://a.b/c") is None
    assert without_credentials("https://me:secret@a.b:80/c?d=1") == "https://a.b:80/c?d=1"
    assert without_credentials("sqlite:////x/me@home.db") == "sqlite:////x/me@home.db"


def test_a_store_whose_making_was_killed_is_made_anew(tmp_path):
    program = """
        import sys
        from pathlib import Path
        from oldrestore.tracking.mlflow_store import open_store
        open_store(None, Path(sys.argv[1]), "e")
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)])
    unfinished = tmp_path / ".mlflow.db.new"
    while not (unfinished.exists() and unfinished.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "mlflow.db").exists()
    store = open_store(None, tmp_path, "e")
    assert store.client.get_experiment(store.experiment_id).name == "e"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


@pytest.mark.slow
def test_two_processes_may_be_first_at_the_same_time(tmp_path):
    program = """
        import sys
        from pathlib import Path
        from oldrestore.records.run_folder import RunFolder
        from oldrestore.tracking.mlflow_sink import MLflowSink
        from tests.run_to_track import followed_by, make_run
        folder = RunFolder.create(Path(sys.argv[1]), "e", sys.argv[2])
        with followed_by(MLflowSink(system_metrics=False), folder, make_run(folder)):
            for i in range(50):
                folder.scalars(i, {"loss": i / 7})
    """
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    printed = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    processes = [subprocess.Popen([*command, f"r{number}"], env=environment, **printed) for number in range(3)]
    assert [process.communicate()[0] for process in processes] == ["", "", ""]
    from mlflow import MlflowClient

    client = MlflowClient(default_uri(tmp_path))
    experiment = client.get_experiment_by_name("e")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["run_id"] for run in runs) == ["r0", "r1", "r2"]
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    for run in runs:
        values = [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")]
        assert sorted(values) == [i / 7 for i in range(50)]
