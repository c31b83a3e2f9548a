"""Both page servers answer on loopback and leave nothing (that no process stays: tests/commands/test_ui.py)."""

import json
import os
import socket
import urllib.request

import pytest

from oldrestore.errors import UserError
from oldrestore.tracking import ui
from oldrestore.tracking.mlflow_store import open_store
from oldrestore.tracking.ui import free_port, serve
from oldrestore.tracking.visualdl_sink import VisualDLSink
from tests.run_to_track import followed_by


def get(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        assert answer.status == 200
        return answer.read().decode()


@pytest.mark.slow
def test_both_pages_answer_and_stop(folder, run, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with followed_by(VisualDLSink(), folder, run):
        folder.scalars(100, {"loss": 4.5})
    with serve(folder.outputs) as servers:
        urls = {server.name: server.url for server in servers}
        assert list(urls) == ["mlflow", "visualdl"]
        assert all(url.startswith("http://127.0.0.1:") for url in urls.values())
        assert urls["mlflow"].endswith("/#/experiments?workflowType=machine_learning"), "there are no runs yet"
        assert "<title>MLflow</title>" in get(urls["mlflow"])
        page = get(urls["visualdl"])
        assert "VisualDL" in page and "hm.baidu.com" not in page, "telemetry is off"
        runs = json.loads(get(urls["visualdl"].replace("/scalar", "/api/runs")))
        assert any("20260101-120000-abcd" in name for name in runs["data"])
    assert not any(server.log.exists() for server in servers)
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_mlflow_opens_at_the_runs_begun_last(outputs):
    from tests.report.browser import CHROMIUM, Browser

    outputs.mkdir()
    # The newest run is neither of the experiment that was made last nor of the one with the first number.
    experiments = []
    for number, started in enumerate((1000, 3000, 2000)):
        store = open_store(None, outputs, f"experiment{number}")
        store.client.create_run(store.experiment_id, start_time=started, run_name=f"run{number}")
        experiments.append(store.experiment_id)
    with serve(outputs) as (mlflow, _):
        assert mlflow.url.endswith(f"/#/experiments/{experiments[1]}?workflowType=machine_learning")
        if CHROMIUM is None:
            return
        browser = Browser(outputs / "profile")
        try:
            browser.call("Page.navigate", url=mlflow.url)
            for text in ("1 matching run", "run1"):
                browser.wait(f"document.body && document.body.innerText.includes('{text}')")
        finally:
            browser.close()


def test_a_port_in_use_is_skipped_or_named_and_a_missing_folder_too(outputs, monkeypatch):
    with pytest.raises(UserError, match="does not exist"), serve(outputs):
        pass
    outputs.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///" + os.devnull)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
        with pytest.raises(UserError, match=f"port {port} on 127.0.0.1 is in use"), serve(outputs, port):
            pass


def test_a_remote_store_is_linked_to_not_served(outputs, monkeypatch):
    outputs.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@tracking.example/team")
    monkeypatch.setattr(ui, "start_server", lambda name, command, url, environment: ui.Server(name, url))
    with serve(outputs) as (mlflow, _):
        assert mlflow.url == "https://tracking.example/team"
        assert mlflow.process is None and mlflow.is_running
