"""A sweep's jobs: what is run again, the tables, what is refused; and real ones with failures and a kill."""

import csv
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from oldrestore.commands.sweep import conclude, opening
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.sweeps import launch as launching
from oldrestore.sweeps.deleting import delete_run
from oldrestore.sweeps.job_bars import JobBars, shortened
from oldrestore.sweeps.ledger import Ledger
from oldrestore.sweeps.summary import spread, summarise
from oldrestore.sweeps.sweep import Sweep
from tests.sweeps.test_ledger import make_job
from tests.throwaway import Throwaway


def jobs_of(outputs: Path) -> list:
    return [
        make_job(f"{value}-{seed}", seed, {"value": str(value)}, f"i {value}", outputs=str(outputs), value=value)
        for value in (10, 20)
        for seed in (0, 1)
    ]


def carry_out(outputs: Path, retry_failed: bool = False) -> tuple[Sweep, list[str]]:
    """Run a sweep of four jobs; returns also what each job is that it started."""
    said: list[str] = []
    sweep = Sweep("s", jobs_of(outputs))
    sweep.begin(retry_failed)
    sweep.carry_out(2, True, said.append)
    return sweep, started(said)


def started(said: list[str]) -> list[str]:
    return [" ".join(line.splitlines()[0].split()[1:]) for line in said if line.startswith(("started", "continued"))]


def test_what_is_done_is_skipped_what_failed_waits_and_what_was_killed_goes_on(tmp_path, endings):
    endings |= {"10/1": "fail", "20/0": "refuse", "20/1": "kill"}
    sweep, said = carry_out(tmp_path)
    found = {entry.key: (entry.state, entry.reason) for entry in sweep.ledger.entries()}
    assert found == {
        "10-0": ("done", None),
        "10-1": ("failed", "fail"),
        "20-0": ("failed", "there is no such thing"),
        "20-1": ("interrupted", "killed by SIGKILL"),
    }
    assert len(said) == 4
    folders = {entry.key: entry.folder for entry in sweep.ledger.entries()}
    endings.clear()
    sweep, said = carry_out(tmp_path)
    assert said == ["value=20 seed=1"]
    (resumed,) = sweep.ledger.entries(["20-1"])
    assert (resumed.state, resumed.folder) == ("done", folders["20-1"])
    sweep, said = carry_out(tmp_path, retry_failed=True)
    assert len(said) == 2
    entries = {entry.key: entry for entry in sweep.ledger.entries()}
    assert all(entry.state == "done" and Path(entry.log).is_file() for entry in entries.values())
    assert {key: entry.attempts for key, entry in entries.items()} == {"10-0": 1, "10-1": 2, "20-0": 2, "20-1": 2}
    assert entries["10-1"].folder != folders["10-1"]
    assert carry_out(tmp_path, retry_failed=True)[1] == []


def test_a_job_whose_run_a_person_deleted_waits_until_it_is_asked_for(tmp_path, endings):
    sweep, _ = carry_out(tmp_path)
    (entry,) = sweep.ledger.entries(["10-1"])
    delete_run(Path(entry.folder))
    again, said = carry_out(tmp_path)
    entries = again.ledger.entries(again.keys)
    assert said == [] and [one.state for one in entries] == ["done", "deleted", "done", "done"]
    assert again.holds(entries)
    before = {one.key: one.state for one in entries}
    assert opening(entries, before, False) == "4, 3 skipped (done), 1 deleted (--retry-deleted runs them again)"
    last = Sweep("s", jobs_of(tmp_path))
    assert opening(last.begin(False, retry_deleted=True), before, False) == "4, 3 skipped (done), 1 run again (deleted)"
    last.carry_out(2, True, lambda line: None)
    (new,) = last.ledger.entries(["10-1"])
    assert new.state == "done" and new.folder != entry.folder and Path(new.folder).is_dir()


def test_a_signal_after_a_run_has_finished_leaves_its_job_done(tmp_path, endings):
    endings["*"] = "late"
    sweep, _ = carry_out(tmp_path)
    assert [(entry.state, entry.reason) for entry in sweep.ledger.entries()] == [("done", None)] * 4
    assert carry_out(tmp_path)[1] == []


def test_a_job_of_another_process_is_left_to_it(tmp_path, endings):
    sweep, _ = carry_out(tmp_path)
    ledger = sweep.ledger
    ledger.register([make_job("more", 7, {"value": "30"}, outputs=str(tmp_path), value=30)])
    ledger.claim(["more"])  # by this very process, which lives
    later = Sweep("s", [*jobs_of(tmp_path), make_job("more", 7, outputs=str(tmp_path), value=30)])
    entries = later.begin(True)
    assert [entry.state for entry in entries] == ["done"] * 4 + ["running"]
    said: list[str] = []
    later.carry_out(1, True, said.append)
    assert said == []
    assert later.holds(later.ledger.entries(later.keys))
    assert later.known.new == {}


def test_jobs_whose_code_changed_run_again_unless_they_are_kept(tmp_path, endings):
    def sweep(code: str, keep_done: bool = False, **needed: str) -> Sweep:
        jobs = [
            replace(job, key=f"{code} {job.key}", code=code, needed=needed) if job.config["value"] == 10 else job
            for job in jobs_of(tmp_path)
        ]
        return Sweep("s", jobs, keep_done)

    endings["10/1"] = "fail"
    first = sweep("before", a="1", b="1", c="1", d="1", e="1")
    first.begin(False)
    first.carry_out(2, True, lambda line: None)
    changed = {"a": "2", "b": "2", "c": "1", "d": "2", "f": "1"}
    later = sweep("after", **changed)
    assert later.known.new == dict.fromkeys(["after 10-0", "after 10-1"], "a, b, d and 2 more changed")
    assert later.known.repeated == {"after 10-0": "a, b, d and 2 more changed"}
    assert [entry.state for entry in later.entries()] == ["done", "done"], "whose code is as it was"
    later.begin(False)  # and stop: what is kept afterwards is that which is done
    kept = sweep("after", keep_done=True, **changed)
    assert kept.known.kept == {"before 10-0": "a, b, d and 2 more changed"}
    assert [entry.state for entry in kept.begin(False)] == ["done", "queued", "done", "done"]
    summary = summarise(kept.ledger.entries(kept.keys), "val/loss", kept.known.kept)
    assert summary.kept_in_words() == ["kept although a, b, d and 2 more changed: value=10 seed=0"]
    assert [row["code"] for row in summary.job_rows()] == ["a, b, d and 2 more changed", None, None, None]
    assert sweep("before", a="1").known.new == {}, "the code is as it was before"


def test_jobs_whose_settings_changed_outside_of_what_varies_say_so(tmp_path, endings):
    carry_out(tmp_path)
    jobs = jobs_of(tmp_path)
    edited = [replace(job, key=f"edited {job.key}", identity=f"edited {job.identity}") for job in jobs[:2]]
    more = make_job("30-0", 0, {"value": "30"}, "i 30", outputs=str(tmp_path), value=30)
    known = Sweep("s", [*edited, *jobs[2:], more]).known
    assert known.new == dict.fromkeys(["edited 10-0", "edited 10-1"], "settings or photographs changed")
    assert known.repeated == {}


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_stops_the_jobs_and_takes_no_more(tmp_path, endings, number, name):
    said: list[str] = []
    sweep = Sweep("s", jobs_of(tmp_path))
    sweep.begin(False)

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("started"):
            os.kill(os.getpid(), number)

    sweep.carry_out(1, True, say)
    assert sweep.stopped
    assert len(started(said)) == 1
    first, *others = sweep.ledger.entries()
    assert (first.state, first.reason) == ("interrupted", f"stopped by {name}")
    assert [entry.state for entry in others] == ["queued"] * 3
    before = {entry.key: entry.state for entry in sweep.entries()}
    assert opening(sweep.begin(True), before, True) == "4, 3 to do, 1 continued"


def test_seeds_are_put_together_with_mean_spread_and_n(tmp_path, endings):
    endings |= {"20/1": "fail"}
    sweep, _ = carry_out(tmp_path)
    summary = summarise(sweep.ledger.entries(sweep.keys), "val/loss")
    summary.write(tmp_path)
    rows, jobs = (list(csv.DictReader((tmp_path / f"{n}.csv").read_text().splitlines())) for n in ("summary", "jobs"))
    assert [row["value"] for row in rows] == ["10", "20"]
    assert [(row["n"], row["jobs"]) for row in rows] == [("2", "2"), ("1", "2")]
    assert float(rows[0]["val/loss"]) == 10.5
    assert float(rows[0]["val/loss deviation"]) == pytest.approx(np.std([10, 11], ddof=1))
    assert rows[1]["val/loss deviation"] == ""
    assert [(job["seed"], job["state"], job["val/loss"]) for job in jobs] == [
        ("0", "done", "10.0"),
        ("1", "done", "11.0"),
        ("0", "done", "20.0"),
        ("1", "failed", ""),
    ]
    assert math.isnan(spread([1.0, math.inf]).mean)
    assert spread([2.0]).deviation is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["seed=0,1"], "a sweep needs a name"),
        (["sweeps=nothing"], "there is no sweep 'nothing'"),
        (["sweeps=seeds", "sweeps=rebalancing"], "one sweeps=NAME"),
        (["sweeps=temperature"], "oldrestore evaluate RUN --multirun sweeps=temperature"),
        (["sweeps=seeds", "model.widht=1"], "model.widht"),
        (["sweeps=seeds", "model.width=-1"], "model.width"),
        (["sweeps=seeds", "run_id=a"], "run_id names one run"),
        (["sweeps=seeds", "--jobs", "0"], "--jobs: must be a whole number, at least 1, not '0'"),
        (["--name", "a/b"], "the name of a sweep"),
        (["sweeps=seeds", "dataset=image_folder", "dataset.root=/no/such/folder"], "/no/such/folder"),
        (["--job", "/no/such/job.json"], "is not a job of a sweep"),
    ],
)
def test_a_wrong_request_is_one_sentence(tmp_path, cli, arguments, sentence):
    assert sentence in cli("sweep", *arguments, f"outputs={tmp_path}", code=2).err
    assert not list(tmp_path.iterdir())


def test_a_dry_run_prints_the_jobs_and_makes_nothing(workshop, cli):
    settings = workshop.arguments(["evaluation.judged=null"])
    jobs = cli("sweep", *settings, "sweeps=seeds", "--dry-run", "--json").content["jobs"]
    assert [(job["seed"], job["state"]) for job in jobs] == [(0, "new"), (1, "new"), (2, "new")]
    assert not list(workshop.outputs.iterdir())


def test_jobs_at_once_share_cores_and_gpus(monkeypatch):
    monkeypatch.setattr(launching, "physical_cores", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    config = {"trainer": {"device": "auto"}}
    assert launching.shares(config, 0, 3, False) == {"CUDA_VISIBLE_DEVICES": "2", "OMP_NUM_THREADS": "2"}
    assert launching.shares(config, 1, 3, True) == {"CUDA_VISIBLE_DEVICES": "5"}
    assert launching.shares({"trainer": {"device": "cpu"}}, 1, 1, False) == {}
    assert launching.shares({"trainer": {"device": "gpu:1"}}, 0, 1, False) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_real_jobs_with_two_failures_and_a_kill_run_once_and_again(workshop, tmp_path):
    settings = ["evaluation.judged=null", "tracking=none", "sweeps=seeds", "seed=0,1"]
    settings += ["trainer.max_iterations=60", "trainer.evaluate_every=0", "trainer.checkpoint_every=2"]
    settings += ["optimizer.learning_rate=0.001,0.002,1e30"]
    # From a copy, since jobs whose code is changed meanwhile are other jobs.
    environment = os.environ | {"PYTHONPATH": str(Throwaway(tmp_path / "code").folder)}
    command = [sys.executable, "-P", "-m", "oldrestore", "sweep", *workshop.arguments(settings), "--jobs=2", "--json"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    killed = kill_one(workshop.outputs / "sweeps" / "seeds" / "ledger.db", first)
    out, err = first.communicate()
    assert first.returncode == 1, err
    reasons = [(job["state"], job["reason"]) for job in json.loads(out)["jobs"]]
    assert reasons.count(("done", None)) == 3
    assert reasons.count(("interrupted", "killed by SIGKILL")) == 1
    assert [state for state, reason in reasons if "is nan at iteration" in (reason or "")] == ["failed"] * 2

    second = subprocess.run([*command, "--retry-failed"], capture_output=True, text=True, env=environment)
    assert second.returncode == 1
    assert "jobs        6, 3 skipped (done), 1 continued, 2 retried" in second.stderr
    content = json.loads(second.stdout)
    assert sorted((job["state"], job["attempts"]) for job in content["jobs"]) == [
        *[("done", 1)] * 3,
        ("done", 2),
        *[("failed", 2)] * 2,
    ]
    assert [job["attempts"] for job in content["jobs"] if job["folder"] == killed] == [2]
    assert (Path(killed) / "resumes" / "001").is_dir()
    assert Run(Path(killed)).curves["train/loss"].iterations.tolist() == list(range(60))
    assert [row["n"] for row in content["settings"]] == [2, 2, 0]


def test_a_stopped_sweep_ends_with_what_waits_and_the_line_that_goes_on(tmp_path, endings, capsys):
    sweep = Sweep("s", jobs_of(tmp_path))
    sweep.first.config["trainer"]["monitor"] = "val/loss"
    sweep.begin(False)
    sweep.stopped = True
    assert conclude(sweep, False, print, ["--name", "s", "a=b c", "--retry-failed"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line] == [
        "queued      4 jobs not begun",
        "go on with  oldrestore sweep --name s 'a=b c'",
        str(sweep.folder),
    ]


def test_a_job_that_is_done_says_its_score_its_time_and_what_is_left(tmp_path, endings):
    said: list[str] = []
    sweep = Sweep("s", jobs_of(tmp_path)[:2])
    sweep.begin(False)
    sweep.carry_out(1, True, said.append)
    time_ = r"0:00:\d\d"
    lines = [line for line in said if line.startswith("done")]
    assert re.fullmatch(f"done        value=10 seed=0: val/loss 10; {time_}; 1 left, about {time_}", lines[0]), lines
    assert re.fullmatch(f"done        value=10 seed=1: val/loss 11; {time_}", lines[1]), lines


def test_running_jobs_have_a_line_each_on_a_terminal(tmp_path):
    folder = RunFolder.create(tmp_path, "e", "r")
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with JobBars("val/psnr", console) as bars:
        bars.add("a", "loss=l1 seed=0", 6, folder.path)
        folder.scalars(2, {"train/loss": 1.0})
        folder.scalars(3, {"val/psnr": 21.456})
        bars.look()
        time.sleep(0.3)  # two of the display's refreshes
        bars.remove("a")
    shown = console.file.getvalue()
    assert "loss=l1 seed=0" in shown and "3/6 psnr 21.46" in shown
    assert "0/6 starting" in shown


def test_the_line_of_a_job_with_long_settings_fits_an_80_column_terminal(tmp_path):
    folder = RunFolder.create(tmp_path, "e", "r")
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with JobBars("val/auc_rebalanced", console) as bars:
        long = "loss=gradient_rebalanced_cross_entropy loss.rebalance.lambda_=0.25 seed=12"
        bars.add("a", long, 10_000, folder.path)
        folder.scalars(2999, {"train/loss": 1.0, "val/auc_rebalanced": 0.73456})
        bars.look()
        time.sleep(0.3)
    shown = console.file.getvalue()
    assert re.search(r"loss=\w+….*seed=12 .* 3000/10000 auc_rebalanced 0\.7346 0:00:0\d", shown)


def test_settings_are_shortened_to_the_last_parts_of_their_names_then_in_the_middle():
    words = "loss=focal loss.rebalance.lambda_=0.5 trainer.learner.ema_decay=0.9 seed=0"
    assert shortened(words, 60) == "loss=focal lambda_=0.5 ema_decay=0.9 seed=0"
    assert shortened(words, 21) == "loss=focal…0.9 seed=0"


def kill_one(path: Path, sweep: subprocess.Popen) -> str:
    """Kill the first job that has trained a little, and return its run folder."""
    while sweep.poll() is None:
        for entry in Ledger(path).entries() if path.is_file() else []:
            metrics = Path(entry.folder or "/nowhere") / "metrics.jsonl"
            if entry.state == "running" and metrics.is_file() and metrics.read_bytes().count(b"\n") >= 5:
                os.kill(entry.process["pid"], signal.SIGKILL)
                return entry.folder
        time.sleep(0.02)
    raise AssertionError("no job was seen training")
