"""Both page servers answer on loopback and stop without leaving a process."""

from __future__ import annotations

import json
import os
import socket
import urllib.request

import psutil
import pytest

from oldrestore.errors import UserError
from oldrestore.tracking.mlflow_store import open_store
from oldrestore.tracking.tracker import Trackers
from oldrestore.tracking.ui import free_port, serve
from oldrestore.tracking.visualdl_sink import VisualDLSink


def get(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        assert answer.status == 200
        return answer.read().decode()


@pytest.mark.slow
def test_both_pages_answer_and_stop(folder, run, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    trackers = Trackers(folder, {"visualdl": VisualDLSink()})
    trackers.start(run)
    folder.scalars(100, {"loss": 4.5})
    trackers.finish("finished")
    with serve(folder.outputs) as servers:
        assert list(servers.urls) == ["mlflow", "visualdl"]
        assert all(url.startswith("http://127.0.0.1:") for url in servers.urls.values())
        assert servers.urls["mlflow"].endswith("/#/experiments?workflowType=machine_learning"), "there are no runs yet"
        assert "<title>MLflow</title>" in get(servers.urls["mlflow"])
        page = get(servers.urls["visualdl"])
        assert "VisualDL" in page
        assert "hm.baidu.com" not in page, "telemetry is off"
        runs = json.loads(get(servers.urls["visualdl"].replace("/scalar", "/api/runs")))
        assert any("20260101-120000-abcd" in name for name in runs["data"])
        parents = [psutil.Process(server.process.pid) for server in servers.servers]
        processes = [process for parent in parents for process in [parent, *parent.children(recursive=True)]]
        logs = [server.log for server in servers.servers]
    psutil.wait_procs(processes, timeout=5)
    assert not [process for process in processes if process.is_running()]
    assert not any(log.exists() for log in logs)
    assert list(home.iterdir()) == []
    servers.stop()


@pytest.mark.slow
def test_mlflow_opens_at_the_runs_begun_last(outputs):
    from tests.report.browser import CHROMIUM, Browser

    outputs.mkdir()
    for number, name in enumerate(["first", "second", "third"]):
        store = open_store(None, outputs, name)
        # Neither the experiment that was made last nor the one with the first number.
        started = {"first": 1000, "second": 3000, "third": 2000}[name]
        store.client.create_run(store.experiment_id, start_time=started, run_name=f"run{number}")
        if name == "second":
            newest = store.experiment_id
    with serve(outputs) as servers:
        url = servers.urls["mlflow"]
        assert url.endswith(f"/#/experiments/{newest}?workflowType=machine_learning")
        if CHROMIUM is None:
            return
        browser = Browser(outputs / "profile")
        try:
            browser.call("Page.navigate", url=url)
            browser.wait("document.body && document.body.innerText.includes('1 matching run')")
            assert "run1" in browser.value("document.body.innerText")
        finally:
            browser.close()


def test_free_port_skips_one_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port


def test_a_taken_port_and_a_missing_folder_are_named(outputs):
    with pytest.raises(UserError, match="does not exist"):
        serve(outputs)
    outputs.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} on 127.0.0.1 is in use"):
            serve(outputs, mlflow_port=port, tracking_uri="sqlite:///" + os.devnull)


def test_a_remote_store_is_linked_to_not_served(outputs, monkeypatch):
    from oldrestore.tracking import ui

    server = ui._start_mlflow(outputs, "127.0.0.1", None, "https://me:secret@tracking.example/team")
    assert server.url == "https://tracking.example/team"
    assert server.process is None and server.is_running
    server.stop()
