"""A sweep from before the modules moved is listed, summarised and reported, and its jobs are not run again."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from oldrestore.records.run import Run
from oldrestore.sweeps import plan, sweep
from oldrestore.sweeps.known_jobs import NOT_NOTED
from oldrestore.sweeps.ledger import Ledger
from oldrestore.sweeps.sweep import Sweep
from tests.generated_photographs import make_folder

WRITTEN = Path(__file__).parents[1] / "records" / "version_0_1"


@pytest.fixture
def outputs(tmp_path) -> Path:
    """A copy of what the sweep ``designs`` wrote: two jobs of 2 iterations, and its ledger, kept as SQL."""
    place = Path(shutil.copytree(WRITTEN, tmp_path / "outputs"))
    folder = place / "sweeps" / "designs"
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.executescript((folder / "ledger.sql").read_text(encoding="utf-8"))
    return place


@pytest.fixture
def typed(outputs, tmp_path) -> list[str]:
    """The command of the sweep, with its photographs where they are now."""
    changed = ("loss=", "dataset.root=", "outputs=")
    same = [text for text in Run(outputs / "swept" / "focal").overrides if not text.startswith(changed)]
    photographs = make_folder(tmp_path / "photographs")
    # As every photograph was decoded then.
    same.append("dataset.crops.decoding=full")
    return [*same, "loss=cross_entropy,focal", f"dataset.root={photographs}", f"outputs={outputs}"]


@pytest.fixture
def equal_code(outputs, monkeypatch) -> None:
    """Let the code be that which the jobs ran."""
    (code,) = {entry.code for entry in Ledger(outputs / "sweeps" / "designs" / "ledger.db").entries()}
    monkeypatch.setattr(sweep, "results_code_hash", lambda: code)


def test_its_ledger_with_absolute_paths_is_read_where_it_is_now(outputs, tmp_path):
    """Of a copy and its original, each has its own runs; one on another disk stays there."""
    with closing(sqlite3.connect(outputs / "sweeps" / "designs" / "ledger.db")) as connection, connection:
        connection.execute("UPDATE jobs SET folder = '/other disk/swept/gone' WHERE run_id = 'focal'")
    for root in (outputs, Path(shutil.copytree(outputs, tmp_path / "copy"))):
        entry, other = Ledger(root / "sweeps" / "designs" / "ledger.db").entries()
        assert (entry.folder, entry.is_lost) == (str(root / "swept" / "cross_entropy"), False)
        assert (other.folder, other.is_lost) == ("/other disk/swept/gone", True)


def test_with_equal_code_it_skips_what_is_done_and_is_summarised_and_reported(outputs, typed, cli, equal_code):
    said = cli("sweep", "--name", "designs", *typed, "--json")
    found = said.content
    assert said.err.splitlines()[1:] == ["jobs        2, 2 skipped (done)", f"report      {found['report']} (2 runs)"]
    assert [(job["run_id"], job["state"], job["attempts"]) for job in found["jobs"]] == [
        ("cross_entropy", "done", 1),
        ("focal", "done", 1),
    ]
    assert found["jobs"][1]["folder"] == str(outputs / "swept" / "focal")
    assert [(row["loss"], row["n"]) for row in found["settings"]] == [("cross_entropy", 1), ("focal", 1)]
    assert found["settings"][1]["val/loss"] == pytest.approx(5.709223270)
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "cross_entropy" in page and f"oldrestore reproduce {outputs / 'swept' / 'focal'}" in page
    folder = outputs / "sweeps" / "designs"
    assert (folder / "summary.csv").is_file()
    compared = [f"compare     oldrestore compare {folder}", str(folder)]
    assert cli("sweep", "--name", "designs", *typed).out.splitlines()[-2:] == compared
    where = ["--where", "val/loss>5.7", "--where", "experiment=swept"]
    runs = cli("runs", f"outputs={outputs}", *where, "--json").content
    listed = {run["run_id"]: run["values"]["val/loss"] for run in runs}
    assert listed == {"cross_entropy": pytest.approx(5.745891094), "focal": pytest.approx(5.709223270)}


def test_after_a_stop_the_user_does_not_wait_for_a_report(outputs, typed, cli, monkeypatch, equal_code):
    monkeypatch.setattr(Sweep, "carry_out", lambda self, *_: setattr(self, "stopped", True))
    assert "report" not in cli("sweep", "--name", "designs", *typed, code=1).out
    assert not (outputs / "reports").exists()


def test_with_other_code_its_jobs_are_new_or_kept(typed):
    jobs = plan.plan_jobs(typed)
    new, kept = Sweep("designs", jobs), Sweep("designs", jobs, keep_done=True)
    assert new.entries() == []
    assert new.known.repeated == new.known.new == {job.key: NOT_NOTED for job in jobs}
    assert [(entry.run_id, entry.state) for entry in kept.entries()] == [("cross_entropy", "done"), ("focal", "done")]
    assert kept.known.kept == dict.fromkeys(kept.keys, NOT_NOTED)


def test_its_jobs_are_noted_by_the_first_version_that_notes_files(outputs, typed, equal_code, monkeypatch):
    jobs = plan.plan_jobs(typed)
    Sweep("designs", jobs).begin(False)
    monkeypatch.setattr(sweep, "results_code_hash", lambda: "of later code")
    assert [entry.state for entry in Sweep("designs", jobs).entries()] == ["done", "done"]
    later = [replace(job, code="other", needed=job.needed | {"losses/base.py": "other"}) for job in jobs]
    assert set(Sweep("designs", later).known.new.values()) == {"losses/base.py changed"}
