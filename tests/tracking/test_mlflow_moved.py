"""An embedded store that is moved or copied keeps its artifacts; what others keep elsewhere is left alone."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.tracking.mlflow_moved import RUN_FOLDER_TAG, artifact_location, follow_move, local_path
from oldrestore.tracking.mlflow_store import default_uri, follow_move_of, open_store

PLACES = """
    SELECT artifact_location FROM experiments WHERE name != 'Default'
    UNION ALL SELECT artifact_uri FROM runs UNION ALL SELECT artifact_location FROM logged_models
"""


def track(outputs: Path, name: str, uri: str | None = None, experiment: str = "tiny") -> str:
    """Make a run folder and its MLflow run with one file and one logged model; returns MLflow's id."""
    folder = outputs / experiment / name
    folder.mkdir(parents=True)
    store = open_store(uri, outputs, experiment)
    run = store.client.create_run(store.experiment_id, tags={RUN_FOLDER_TAG: str(folder)})
    store.client.log_text(run.info.run_id, name, "name.txt")
    model = store.client.create_logged_model(store.experiment_id, name="m", source_run_id=run.info.run_id)
    (folder / "model.txt").write_text("weights")
    store.client.log_model_artifacts(model.model_id, str(folder))
    return run.info.run_id


def places(outputs: Path) -> set[Path]:
    """Outputs folders that the store names as the place of its artifacts."""
    with sqlite3.connect(outputs / "mlflow.db") as connection:
        found = [local_path(place) for (place,) in connection.execute(PLACES)]
    return {Path(str(place).partition("/mlartifacts")[0]) for place in found}


@pytest.fixture
def moved(outputs, tmp_path) -> tuple[Path, str]:
    """Where an outputs folder of one run is now, and MLflow's id of the run."""
    run_id = track(outputs, "one")
    return Path(shutil.move(outputs, tmp_path / "new")), run_id


def read_name(outputs: Path, run_id: str, uri: str | None = None) -> str:
    store = open_store(uri, outputs, "tiny")
    return Path(store.client.download_artifacts(run_id, "name.txt")).read_text()


@pytest.mark.parametrize("name", ["moved", "a?b%20c#d", "old/below"])
def test_a_store_that_was_moved_has_its_artifacts_where_it_stands(outputs, tmp_path, name):
    old = outputs / "old" if name != "old/below" else outputs
    run_id = track(old, "one")
    new = tmp_path / name
    new.parent.mkdir(exist_ok=True)
    shutil.move(old, new)
    assert read_name(new, run_id) == "one"
    assert places(new) == {new}
    store = open_store(None, new, "tiny")
    assert store.uri == default_uri(new)
    assert {path.name for path in new.iterdir()} == {"tiny", "mlartifacts", "mlflow.db", "mlflow.db.lock"}
    assert {path.name for path in tmp_path.iterdir()} <= {"outputs", name.partition("/")[0]}, "nothing beside it"
    store.client.log_text(run_id, "more", "more.txt")
    assert (new / "mlartifacts" / run_id / "artifacts" / "more.txt").read_text() == "more"
    (model,) = store.client.search_logged_models([store.experiment_id])
    assert [item.path for item in store.client.list_logged_model_artifacts(model.model_id)] == ["model.txt"]
    assert not old.exists()
    assert follow_move(new / "mlflow.db", new) == []


def test_a_copy_has_its_own_and_the_original_keeps_its(outputs, tmp_path):
    run_id = track(outputs, "one")
    copy = tmp_path / "copy"
    shutil.copytree(outputs, copy)
    before = (outputs / "mlflow.db").read_bytes()
    assert read_name(copy, run_id) == "one"
    assert places(copy) == {copy}
    assert (outputs / "mlflow.db").read_bytes() == before
    assert places(outputs) == {outputs}


def test_what_an_earlier_version_wrote_to_the_old_place_again_is_not_followed(outputs, moved):
    new, _ = moved
    (outputs / "mlartifacts" / "of a later run").mkdir(parents=True)
    open_store(None, new, "tiny")
    assert places(new) == {new}


def test_runs_of_other_outputs_folders_that_share_the_store_stay(outputs, tmp_path):
    track(outputs, "one")
    other = tmp_path / "other"
    shared = f"sqlite:///{outputs / 'mlflow.db'}"
    theirs = track(other, "two", shared, experiment="theirs")
    track(outputs, "three", experiment="theirs")  # MLflow keeps it with its experiment, at the other place
    assert read_name(outputs, theirs) == "two"
    assert places(outputs) == {outputs, other}
    # With a store of its own, too; only what is opened by default is ever rewritten.
    track(other, "four")
    open_store(shared, other, "tiny")
    open_store(None, outputs, "tiny")
    assert places(outputs) == {outputs, other}


def test_only_the_store_of_the_outputs_folder_is_changed(outputs, moved, tmp_path):
    new, _ = moved
    elsewhere = Path(shutil.copyfile(new / "mlflow.db", tmp_path / "elsewhere.db"))
    before = elsewhere.read_bytes()
    assert follow_move(elsewhere, new) == []
    assert elsewhere.read_bytes() == before
    assert follow_move(new / "nothing.db", new) == []
    assert follow_move(new / "mlflow.db", new) == [outputs]


def test_one_folder_by_two_names_is_no_move(outputs, tmp_path):
    track(outputs, "one")
    link = tmp_path / "link"
    link.symlink_to(outputs)
    assert follow_move(link / "mlflow.db", link) == []
    assert places(outputs) == {outputs}


def test_other_places_are_not_mistaken(outputs):
    open_store(None, outputs, "tiny")
    kept = ["s3://bucket/mlartifacts", "file://server/x/mlartifacts", "/x/mlartifacts2", "relative/mlartifacts"]
    with sqlite3.connect(outputs / "mlflow.db") as connection:
        for place in [*kept, "/gone/mlartifacts"]:
            columns, values = "name, workspace, artifact_location, lifecycle_stage", (place, "default", place, "active")
            connection.execute(f"INSERT INTO experiments ({columns}) VALUES (?, ?, ?, ?)", values)
    assert follow_move(outputs / "mlflow.db", outputs) == [Path("/gone")]
    with sqlite3.connect(outputs / "mlflow.db") as connection:
        found = dict(connection.execute("SELECT name, artifact_location FROM experiments"))
    assert {name: found[name] for name in kept} == {name: name for name in kept}
    assert found["/gone/mlartifacts"] == artifact_location(outputs)


def test_a_server_is_given_a_store_that_names_its_artifacts(moved, tmp_path):
    new, _ = moved
    follow_move_of(default_uri(new), new)
    assert places(new) == {new}
    for uri in ("http://127.0.0.1:9", default_uri(tmp_path / "nothing")):
        follow_move_of(uri, tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == [new]


def test_two_processes_may_open_a_moved_store_at_once(outputs, moved):
    new, run_id = moved
    program = (
        "import sys; from pathlib import Path; from oldrestore.tracking.mlflow_store import open_store\n"
        "store = open_store(None, Path(sys.argv[1]), 'tiny')\n"
        "store.patiently(store.client.log_text, sys.argv[2], sys.argv[3], f'{sys.argv[3]}.txt')\n"
    )
    printed = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    commands = [[sys.executable, "-c", program, str(new), run_id, word] for word in ("first", "second")]
    processes = [subprocess.Popen(command, **printed) for command in commands]
    assert [process.communicate()[0] for process in processes] == ["", ""]
    written = new / "mlartifacts" / run_id / "artifacts"
    assert sorted(path.name for path in written.iterdir()) == ["first.txt", "name.txt", "second.txt"]
    assert places(new) == {new}
    assert not outputs.exists()
