"""The ledger gives each job to one process, knows what was interrupted, and never loses a job."""

import os
import subprocess
import sys
import time

import pytest

from oldrestore.records.run_folder import RunFolder
from oldrestore.sweeps import ledger as ledger_module
from oldrestore.sweeps.ledger import SILENCE, Ledger, process_record
from oldrestore.sweeps.plan import Job

CLAIM = """
import sys
from pathlib import Path
from oldrestore.sweeps.ledger import Ledger
ledger, keys = Ledger(Path(sys.argv[1])), sys.argv[2].split(",")
while (entry := ledger.claim(keys)) is not None:
    ledger.finish(entry.key, entry.process, "done", None)
    print(entry.key, flush=True)
"""


def make_job(key: str, seed: int = 0, settings: dict | None = None, identity: str = "i", **config) -> Job:
    plain = {"outputs": "outputs", "experiment": "tiny", "seed": seed, "trainer": {"device": "cpu"}, "tracking": {}}
    return Job(key, identity, "c", seed, settings or {}, [f"seed={seed}"], plain | config, {})


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    made = Ledger(tmp_path / "ledger.db")
    made.register([make_job("a"), make_job("b", 1)])
    return made


def states(ledger: Ledger) -> dict[str, str]:
    return {entry.key: entry.state for entry in ledger.entries()}


def dead_process() -> dict:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    record = process_record(process.pid)
    process.wait()
    return record


def test_two_processes_never_claim_the_same_job(tmp_path):
    path = tmp_path / "ledger.db"
    keys = [f"job{number:03d}" for number in range(80)]
    Ledger(path).register([make_job(key) for key in keys])
    command = [sys.executable, "-c", CLAIM, str(path), ",".join(keys)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    claimed = [process.communicate()[0].split() for process in processes]
    assert sorted(claimed[0] + claimed[1]) == keys
    assert set(states(Ledger(path)).values()) == {"done"}
    assert all(entry.attempts == 1 for entry in Ledger(path).entries())


def test_jobs_are_claimed_in_the_order_asked_for_and_registering_again_changes_nothing(ledger):
    entry = ledger.claim(["b"])
    assert entry.key == "b" and ledger.claim(["b"]) is None
    ledger.finish("b", entry.process, "done", None)
    ledger.register([make_job("b", 1), make_job("c")])
    assert ledger.claim(["c", "b", "a"]).key == "c"
    assert ledger.claim(["b", "a"]).key == "a"
    assert states(ledger) == {"a": "running", "b": "done", "c": "running"}


@pytest.mark.parametrize(
    ("ended", "state", "reason"),
    [
        ("finished", "done", None),
        ("failed", "failed", "why"),
        ("killed", "interrupted", "why"),
        ("running", "interrupted", "its process is gone"),
    ],
)
def test_a_job_whose_process_is_gone_is_what_its_run_folder_says(ledger, tmp_path, ended, state, reason):
    ledger.claim(["a"])
    run = RunFolder.create(tmp_path, "tiny", "r")
    run.status(ended, "why" if ended in ("failed", "killed") else None)
    ledger.begin("a", "r", run.path, tmp_path / "log", dead_process())
    ledger.recover(["a", "b"])
    (entry,) = ledger.entries(["a"])
    assert (entry.state, entry.reason) == (state, reason)
    again = ledger.queue_again(["a", "b"], ("interrupted",))
    assert again == (["a"] if state == "interrupted" else [])
    if state == "interrupted":
        assert ledger.claim(["a"]).folder == str(run.path)
    if state == "failed":
        assert ledger.queue_again(["a"], ("failed",)) == ["a"]
        entry = ledger.claim(["a"])
        assert (entry.folder, entry.attempts) == (None, 2)


def test_an_interrupted_job_whose_run_has_finished_is_done(ledger, tmp_path):
    run = RunFolder.create(tmp_path, "tiny", "r")
    run.status("finished")
    process = dead_process()
    ledger.claim(["a"])
    ledger.begin("a", "r", run.path, tmp_path / "log", process)
    ledger.finish("a", process, "interrupted", "stopped by SIGINT")
    ledger.recover(["a", "b"])
    (entry,) = ledger.entries(["a"])
    assert (entry.state, entry.reason) == ("done", None)
    assert ledger.queue_again(["a", "b"], ("interrupted",)) == []


def test_a_job_of_a_living_process_is_left_alone_and_of_another_machine_until_it_is_silent(
    ledger, tmp_path, monkeypatch
):
    def recovered(after: float) -> str:
        monkeypatch.setattr(ledger_module.time, "time", lambda: now + after)
        ledger.recover(["a"])
        return states(ledger)["a"]

    now = time.time()
    ledger.claim(["a"])
    elsewhere = {"host": "another-machine", "pid": 1, "process_started": 0.0}
    for process in (process_record(os.getpid()), elsewhere):
        ledger.begin("a", "r", tmp_path / "tiny" / "r", tmp_path / "log", process)
        assert recovered(SILENCE - 1) == "running"
    ledger.beat(["a"])
    assert recovered(SILENCE + 9) == "running"
    assert recovered(2 * SILENCE) == "interrupted"


def test_who_comes_late_does_not_overwrite_another_process(ledger):
    entry = ledger.claim(["a"])
    ledger.finish("a", dead_process(), "failed", "late")
    assert states(ledger)["a"] == "running"
    ledger.finish("a", entry.process, "done", None)
    assert states(ledger)["a"] == "done"


def test_a_fact_is_found_once(ledger):
    for found in ("first", "second"):
        with ledger.settle_fact("parent") as held:
            if not held:
                held.append(found)
    assert ledger.facts("parent") == {"": "first"}
    with pytest.raises(RuntimeError), ledger.settle_fact("other") as held:
        held.append("lost")
        raise RuntimeError
    assert ledger.facts("other") == {}
