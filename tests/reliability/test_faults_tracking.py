"""Tracking that fails: a run finishes all the same, its folder says which tracker lacks what, and sync sends it."""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.tracking.mlflow_store import open_store
from oldrestore.tracking.tracker import Trackers
from tests.reliability.faulty_runs import Yard, quoted
from tests.tracking.test_tracker import Recorder

SECTION = "Faults"
MLFLOW = ["tracking=mlflow", "tracking.mlflow.system_metrics=false", "tracking.mlflow.log_model=false"]
# A run gives a server ten seconds, and asks it three times.
HASTY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}


def finished(yard: Yard, *overrides: str, **how) -> tuple[Path, dict]:
    """Train, which must finish; the run folder, and what it says of its tracker."""
    ended, folder = yard.finish("trainer.max_iterations=4", "trainer.evaluate_every=2", *overrides, **how)
    assert Run(folder).status["state"] == "finished"
    assert yard.check(folder) > 4
    (said,) = Run(folder).status["sinks"].values()
    if said["state"] != "complete":
        assert "tracking" in ended.err and "the run folder holds everything" in ended.err
        assert f"oldrestore sync {folder}" in ended.out
    return folder, said


def sync(yard: Yard, folder: Path, *overrides: str) -> None:
    """Send what is missing; nothing is missing afterwards."""
    (ended,) = yard.nursery.run(["sync", folder, *overrides], environment=HASTY)
    assert ended.code == 0, ended.err
    (said,) = Run(folder).status["sinks"].values()
    assert said["state"] == "complete"
    assert "reason" not in said


def steps_in_mlflow(yard: Yard, folder: Path, name: str) -> list[int]:
    """Steps of a metric in the store beside the runs."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{yard.outputs / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.run_id = '{folder.name}'")
    assert run.info.status == "FINISHED"
    return sorted(metric.step for metric in client.get_metric_history(run.info.run_id, name))


_INFO = {"run_id": "0" * 32, "run_uuid": "0" * 32, "experiment_id": "1", "status": "RUNNING", "start_time": 1}
RUN = {"info": {**_INFO, "artifact_uri": "file:///nowhere", "lifecycle_stage": "active"}, "data": {}}
ANSWERS: dict[str, Any] = {
    "experiments/get-by-name": {"experiment": {"experiment_id": "1", "name": "tiny", "lifecycle_stage": "active"}},
    "runs/search": {},
    "runs/create": {"run": RUN},
    "runs/get": {"run": RUN},
}


class FalseServer(ThreadingHTTPServer):
    """An MLflow server that answers, so many times and after so many seconds, as to a run that begins."""

    daemon_threads = True

    def __init__(self, lives: int = 10**9, status: int = 200, waits: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lives, self.status, self.waits = lives, status, waits
        self.asked: list[str] = []
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[FalseServer]:
        """Let it serve, and stop it."""
        thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join(10)
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server: FalseServer = self.server
        call = urlsplit(self.path).path.partition("/mlflow/")[2]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.asked.append(call)
        if len(server.asked) > server.lives:
            self.close_connection = True
            server.socket.close()  # nobody listens any more
            return
        time.sleep(server.waits)
        content = json.dumps(ANSWERS.get(call, {})).encode()
        self.send_response(server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        with suppress(BrokenPipeError, ConnectionResetError):  # the run has given up waiting
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 (http.server looks for these)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


SYNC = "oldrestore sync sends all of it"


@pytest.mark.parametrize(
    ("what", "server"),
    [
        ("dies after six requests", {"lives": 6}),
        pytest.param("answers 500", {"status": 500}, marks=pytest.mark.slow),
        pytest.param("answers after half a minute", {"waits": 30.0}, marks=pytest.mark.slow),
    ],
)
def test_an_mlflow_server_that_fails(yard, what, server, ledger):
    with FalseServer(**server).serving() as serving:
        uri = f"tracking.mlflow.tracking_uri={serving.uri}"
        folder, said = finished(yard, *MLFLOW, uri, faults=[("impatient", 8)], environment=HASTY)
    assert serving.asked
    assert said["state"] == "off"
    assert said["reason"].startswith("MlflowException in start: ")
    # The same run, to a store that lives.
    sync(yard, folder, f"tracking.mlflow.tracking_uri=sqlite:///{yard.outputs / 'mlflow.db'}")
    assert steps_in_mlflow(yard, folder, "train/loss") == Run(folder).curves["train/loss"].iterations.tolist()
    sentence = f"“mlflow tracking is off (MlflowException in start: ...); the run folder holds everything”; {SYNC}"
    ledger.record(f"an MLflow server that {what}", through="train", right=1, sentence=sentence)


@contextmanager
def writing(database: Path, seconds: float) -> Iterator[None]:
    """Hold an SQLite file as another writer does, for so long."""
    connection = sqlite3.connect(database, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    over = threading.Event()
    thread = threading.Thread(target=lambda: (over.wait(seconds), connection.rollback(), connection.close()))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_database_that_is_locked_for_longer_than_a_run_waits(yard, ledger):
    open_store(None, yard.outputs, "Default")
    with writing(yard.outputs / "mlflow.db", 600):
        began = time.monotonic()
        folder, said = finished(yard, *MLFLOW, faults=[("impatient", 1)])
        assert time.monotonic() - began < 60
    assert said == {"state": "late", "reason": "did not finish within 1 s"}
    sync(yard, folder)
    assert steps_in_mlflow(yard, folder, "train/loss") == [0, 1, 2, 3]
    sentence = f"“mlflow tracking did not finish within 1 s”, of 60 that a run gives it; {SYNC}"
    what = "MLflow's database locked by another writer, to the end of the run"
    ledger.record(what, through="train", right=1, sentence=sentence)


@pytest.mark.slow
def test_a_database_that_is_locked_for_a_while(yard, ledger):
    """Longer than SQLite itself waits, which is 5 s a call."""
    open_store(None, yard.outputs, "Default")
    with writing(yard.outputs / "mlflow.db", 14):
        folder, said = finished(yard, *MLFLOW)
    assert said["state"] == "complete"
    assert steps_in_mlflow(yard, folder, "train/loss") == [0, 1, 2, 3]
    what = "MLflow's database locked by another writer, for 14 s"
    ledger.record(what, through="train", right=1, sentence="the run waits and sends all of it")


def test_visualdls_folder_is_removed_while_the_run_goes_on(yard, ledger):
    from visualdl import LogReader

    faults = [("remove_folder", str(yard.outputs), "visualdl", "metrics", 3)]
    folder, said = finished(yard, "tracking=visualdl", faults=faults)
    assert said["state"] == "off"
    assert "was removed during the run" in said["reason"]
    sync(yard, folder)
    (file,) = (folder / "visualdl").iterdir()
    points = LogReader(file_path=str(file)).get_data("scalar", "train/loss")
    assert [point.id for point in points] == [0, 1, 2, 3]
    sentence = f"{quoted(said['reason'])}; {SYNC}"
    ledger.record("VisualDL's folder removed", through="train", right=1, sentence=sentence)


def test_trackers_are_not_told_of_an_end_that_the_folder_does_not_have(tmp_path, monkeypatch, run_of):
    folder, sink = RunFolder.create(tmp_path, "e", "r"), Recorder()
    trackers = Trackers(folder, {"heard": sink})
    trackers.start(run_of(folder))

    def full(name, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder.path / name))

    monkeypatch.setattr(folder, "write_json", full)
    problem = trackers.finish("finished", summary={"val/loss": 1.0})
    assert problem == f"'{folder.path / 'status.json'}': the disk is full"
    assert sink.calls[-1] == ("finish", "failed", problem, {"val/loss": 1.0})
    assert trackers.finish("finished") is None
