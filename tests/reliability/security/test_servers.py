"""What a server cannot make us fetch, and who can reach the pages that we serve."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from oldrestore.cli import main
from oldrestore.errors import UserError
from oldrestore.reproduction import logged_run
from oldrestore.tracking import ui


def test_artifact_paths_of_a_server_lead_nowhere(tmp_path):
    """Only files of known names are asked for, whatever a server lists; a model's name must be one."""
    fetched = []
    listed = ["../../../etc/x", "/etc/x", "config.yaml/../../x", "config.yaml", "metrics.jsonl", "a/config.yaml"]
    client = SimpleNamespace(
        list_artifacts=lambda run_id: [SimpleNamespace(path=p, is_dir=p == "metrics.jsonl") for p in listed],
        download_artifacts=lambda run_id, name, place: fetched.append((name, place)),
    )
    record = SimpleNamespace(
        info=SimpleNamespace(run_id="r", artifact_uri="mlflow-artifacts:/1/r"), data=SimpleNamespace(tags={})
    )
    logged_run._fetch_records(client, record, None, tmp_path / "held")
    assert fetched == [("config.yaml", str(tmp_path / "held"))]
    beside = tmp_path / "store"
    hidden = beside / "artifacts" / "artifacts" / "best.safetensors"
    hidden.parent.mkdir(parents=True)
    hidden.write_bytes(b"x")
    for uri in ("models:/..", "..", "models:/a\\b", "models:/a b", "models:/é"):
        record.data.tags["model_uri"] = uri
        assert logged_run._fetch_best(client, record, beside, "http://127.0.0.1:9", tmp_path / "m") is None


def test_pages_listen_on_loopback(tmp_path, monkeypatch, capsys):
    started = []

    def start(name, command, url, environment):
        started.append(command)
        return ui.Server(name, url)

    monkeypatch.setattr(ui, "start_server", start)
    with ui.serve(tmp_path):
        assert len(started) == 2
    for command in started:
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert command[0] == sys.executable
    # The verb has no way to say otherwise.
    with pytest.raises((SystemExit, UserError)):
        main(["ui", "--host", "0.0.0.0", f"outputs={tmp_path}"]) == 2 and sys.exit(2)
    assert "--host" in capsys.readouterr().err
