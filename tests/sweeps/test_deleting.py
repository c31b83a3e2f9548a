"""Runs go to the trash and come back whole; trackers and ledgers follow; what goes on stays."""

import hashlib
import json
import os
import shutil
import socket
import sqlite3
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from oldrestore.records.liveness import lock_run
from oldrestore.records.notes import change_notes
from oldrestore.records.run import Run
from oldrestore.records.trash import leftovers
from oldrestore.sweeps.ledger import Ledger, process_record
from oldrestore.sweeps.plan import Job
from tests.records.test_listing import make_run


def bytes_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def outputs(tracked_run, tmp_path) -> Path:
    """A copy of the outputs folder with the tiny run: moved, as far as MLflow knows."""
    copy = tmp_path / "outputs"
    shutil.copytree(tracked_run.parent.parent, copy)
    return copy


def lifecycle(outputs: Path) -> list[tuple]:
    with sqlite3.connect(outputs / "mlflow.db") as connection:
        return connection.execute("SELECT lifecycle_stage FROM runs").fetchall()


def tags(outputs: Path) -> dict[str, str]:
    with sqlite3.connect(outputs / "mlflow.db") as connection:
        return dict(connection.execute("SELECT key, value FROM tags").fetchall())


def test_a_tracked_run_is_deleted_restored_and_removed_for_good(outputs, tracked_run, cli):
    run, place = outputs / "tiny" / tracked_run.name, f"outputs={outputs}"
    before = bytes_of(outputs / "tiny")
    said = cli("runs", "delete", run.name, place).out
    assert "nothing was deleted, add --yes" in said and "in MLflow" in said
    assert bytes_of(outputs / "tiny") == before and lifecycle(outputs) == [("active",)]

    cli("runs", "delete", run.name, place, "--yes")
    assert lifecycle(outputs) == [("deleted",)] and not run.exists()
    assert cli("runs", place, "--json").content == []
    assert not list(outputs.rglob("*vdlrecords*")), "VisualDL's page looks into every folder"
    assert run.name in cli("runs", "restore", place).out
    assert lifecycle(tracked_run.parent.parent) == [("active",)], "the original's store is another"

    cli("runs", "restore", run.name[:10], place)
    assert bytes_of(outputs / "tiny") == before and lifecycle(outputs) == [("active",)]

    cli("runs", "delete", run.name, place, "--yes")
    said = cli("runs", "gc", place).out
    assert "trash       1 run, " in said and "2 folders of artifacts" in said and "nothing was removed" in said
    assert (outputs / ".trash" / "tiny" / run.name).is_dir()
    cli("runs", "gc", place, "--yes")
    assert lifecycle(outputs) == [] and not list((outputs / ".trash").iterdir())
    assert not [path for path in (outputs / "mlartifacts").rglob("*") if path.is_file()]
    assert "there is no run" in cli("runs", "restore", run.name, place, code=2).err


def test_mlflow_has_tags_and_the_note_as_its_description(outputs, tracked_run, cli):
    place = f"outputs={outputs}"
    cli("runs", "tag", tracked_run.name, "paper", "best", place)
    cli("runs", "note", tracked_run.name, "look", "at 200", place)
    cli("runs", "archive", tracked_run.name, place)
    found = tags(outputs)
    assert (found["tags"], found["mlflow.note.content"], found["archived"]) == ("best, paper", "look at 200", "true")
    cli("runs", "tag", tracked_run.name, "paper", "best", "--remove", place)
    cli("runs", "archive", "--undo", tracked_run.name, place)
    found = tags(outputs)
    assert "tags" not in found and "archived" not in found and found["mlflow.note.content"] == "look at 200"
    assert "archived" not in tags(tracked_run.parent.parent)


def test_notes_that_mlflow_was_not_told_come_with_the_next_sync(outputs, tracked_run, cli):
    run = outputs / "tiny" / tracked_run.name
    change_notes(run, lambda notes: replace(notes.with_tags(["paper"]), note="look"))
    shutil.rmtree(run / "visualdl")
    cli("sync", run, f"outputs={outputs}")
    assert (tags(outputs)["tags"], tags(outputs)["mlflow.note.content"]) == ("paper", "look")
    assert b"look" in (run / "visualdl" / "vdlrecords.oldrestore.log").read_bytes()


def test_a_link_to_the_run_of_another_folder_changes_nothing_there(outputs, tracked_run, cli):
    run = outputs / "tiny" / tracked_run.name
    forged = run.with_name("forged")
    shutil.copytree(run, forged)
    place = f"outputs={outputs}"
    assert "could not be told" in cli("runs", "delete", "forged", place, "--yes").err
    cli("runs", "gc", place, "--yes")
    assert lifecycle(outputs) == [("active",)] and run.is_dir() and not forged.exists()
    assert [path for path in (outputs / "mlartifacts").rglob("*") if path.is_file()]


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "sweeps" / "mine" / "ledger.db")


def begun(ledger: Ledger, run: Path, key: str, state: str) -> None:
    job = Job(key=key, identity=key, seed=0, code="c", settings={}, overrides=[], config={}, choices={}, needed={})
    ledger.register([job])
    ledger.claim([key])
    process = process_record(1)
    ledger.begin(key, run.name, run, run / "log", process)
    ledger.finish(key, process, state, None)


def test_the_ledger_knows_and_runs_a_deleted_job_again_only_if_asked(tmp_path, ledger, cli):
    for number, state in enumerate(("finished", "failed", "finished")):
        run = make_run(tmp_path, f"r0{number}", state=state)
        begun(ledger, run, f"k{number}", "done" if state == "finished" else state)
    table = tmp_path / "sweeps" / "mine" / "jobs.csv"
    table.write_text("seed,state,reason,run_id,folder\n" + "".join(f"{n},done,,r0{n},e/r0{n}\n" for n in range(3)))
    place = f"outputs={tmp_path}"
    assert "job of the sweep mine" in cli("runs", "delete", "r00", "r01", place).out
    cli("runs", "delete", "r00", "r01", place, "--yes")
    assert [entry.state for entry in ledger.entries()] == ["deleted", "deleted", "done"]
    assert [line.split(",")[1] for line in table.read_text().splitlines()[1:]] == ["deleted", "deleted", "done"]
    keys = ["k0", "k1", "k2"]
    assert ledger.queue_again(keys, ("interrupted", "failed")) == [], "no job runs again unless it is asked for"
    cli("runs", "restore", "r00", "r01", place)
    assert [entry.state for entry in ledger.entries()] == ["done", "failed", "done"]
    assert table.read_text().splitlines()[1].split(",")[1] == "done"
    cli("runs", "delete", "r00", place, "--yes")
    assert ledger.queue_again(keys, ("deleted",)) == ["k0"]
    assert ledger.entries(["k0"])[0].run_id is None, "it begins a new run"
    cli("runs", "restore", "r00", place)
    assert [entry.state for entry in ledger.entries()] == ["queued", "failed", "done"]


def test_a_run_that_goes_on_stays(tmp_path, cli):
    run, place = make_run(tmp_path, "r01", state="running"), f"outputs={tmp_path}"
    status = json.loads((run / "status.json").read_text())
    me = psutil.Process()
    alive = {**status, "host": socket.gethostname(), "pid": me.pid, "process_started": me.create_time()}
    for going in (alive, {**status, "host": "elsewhere"}):
        (run / "status.json").write_text(json.dumps(going))
        assert ": stop it first" in cli("runs", "delete", "r01", place, "--yes", code=2).err
    (run / "status.json").write_text(json.dumps({**status, "state": "finished"}))
    with lock_run(run):
        assert (
            "is still running: another process has its folder"
            in cli("runs", "delete", "r01", place, "--yes", code=2).err
        )
    assert run.is_dir() and Run(run).state == "finished"
    cli("runs", "delete", "r01", place, "--yes")
    make_run(tmp_path, "r01")
    assert "exists already" in cli("runs", "restore", "r01", place, code=2).err


def test_only_old_temporary_files_are_leftovers(tmp_path, monkeypatch):
    run = make_run(tmp_path, "r01")
    old, new, other = run / ".status.json.12.abcdef.tmp", run / ".x.12.abcdef.tmp", run / "mine.tmp"
    for path in (old, new, other):
        path.write_text("x")
    os.utime(old, (1e9, 1e9))
    os.utime(other, (1e9, 1e9))
    assert leftovers(tmp_path) == [old]


def test_lists_hide_what_is_archived_and_show_what_is_written(tmp_path, cli):
    for name in ("r01", "r02", "r03"):
        make_run(tmp_path, name)
    place = f"outputs={tmp_path}"
    cli("runs", "tag", "r01", "paper", "best of all", place)
    cli("runs", "note", "r01", "look here", place)
    cli("runs", "archive", "r02", place)
    answer = cli("runs", place)
    heading, first, last = answer.out.splitlines()
    assert heading.split()[-2:] == ["tags", "note"] and first.endswith("best of all, paper  look here")
    assert last.startswith("r03") and "1 archived run is not listed (--archived)" in answer.err
    assert [run["run_id"] for run in cli("runs", place, "--archived", "--json").content] == ["r01", "r02", "r03"]
    assert [run["run_id"] for run in cli("runs", place, "--tag", "paper", "--json").content] == ["r01"]
    assert cli("runs", place, "--tag", "no").out == f"no runs under {tmp_path} with the tag no\n"
    cli("runs", "note", "r01", "", place)
    assert "look here" not in cli("runs", place).out
    for words, sentence in (
        (["tag", "no-run", "x"], "there is no run 'no-run'"),
        (["tag", "r01", "a,b"], "'a,b' cannot be a tag"),
        (["tag", "r01", place], "name at least one tag"),
        (["delete", "no-run", "--yes"], "there is no run 'no-run'"),
        (["restore", "no-run"], "there is no run 'no-run' in the trash"),
    ):
        assert sentence in cli("runs", *words, place, code=2).err
