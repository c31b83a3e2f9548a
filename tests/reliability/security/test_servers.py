"""What a server cannot make us fetch, and who can reach the pages that we serve."""

import json
import sys
from types import SimpleNamespace

import mlflow

from oldrestore.cli import main
from oldrestore.reproduction.logged_run import NEEDED, logged_run
from oldrestore.tracking import ui

RUN_ID = "0" * 32


class Client:
    """An MLflow client whose server lists what it likes."""

    model_uri = ""

    def __init__(self, **_: str) -> None:
        self.fetched: list[str] = []

    def get_run(self, run_id: str) -> SimpleNamespace:
        info = SimpleNamespace(run_id=run_id, artifact_uri="mlflow-artifacts:/1/r", status="FINISHED")
        return SimpleNamespace(info=info, data=SimpleNamespace(tags={"model_uri": self.model_uri}))

    def list_artifacts(self, run_id: str) -> list[SimpleNamespace]:
        listed = ["../../../etc/x", "/etc/x", "config.yaml/../../x", "a/config.yaml", *NEEDED, "accuracy.csv"]
        return [SimpleNamespace(path=path, is_dir=path == "accuracy.csv") for path in listed]

    def download_artifacts(self, run_id: str, name: str, place: str) -> None:
        self.fetched.append(name)
        with open(f"{place}/{name}", "w") as file:  # noqa: PTH123
            json.dump({"run_id": run_id}, file)


def test_artifact_paths_of_a_server_lead_nowhere(tmp_path, monkeypatch):
    """Only files of known names are asked for, whatever a server lists; a model's name must be one."""
    clients = []
    monkeypatch.setattr(mlflow, "MlflowClient", lambda **given: clients.append(Client(**given)) or clients[-1])
    (tmp_path / "mlflow.db").touch()
    hidden = tmp_path / "mlartifacts" / "artifacts" / "artifacts" / "best.safetensors"
    hidden.parent.mkdir(parents=True)
    hidden.write_bytes(b"x")
    for uri in ("models:/..", "..", "models:/a\\b", "models:/a b", "models:/é"):
        monkeypatch.setattr(Client, "model_uri", uri)
        with logged_run(f"mlflow:{RUN_ID}", tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}") as found:
            assert found.weights == {}, uri
            assert {path.name for path in found.run.folder.iterdir()} == set(NEEDED)
        assert sorted(clients[-1].fetched) == sorted(NEEDED)


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
    assert main(["ui", "--host", "0.0.0.0", f"outputs={tmp_path}"]) == 2
    assert "--host" in capsys.readouterr().err
