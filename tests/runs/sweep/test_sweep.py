"""A sweep's jobs: what they are, what is run again, the tables; and twelve real ones with failures and a kill."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oldrestore.cli import main
from oldrestore.config.location import PACKAGE, configuration_root
from oldrestore.errors import UserError
from oldrestore.runs import job_identity
from oldrestore.runs.job_identity import settings_of
from oldrestore.runs.sweep import launch as launching
from oldrestore.runs.sweep import sweep as sweeping
from oldrestore.runs.sweep.ledger import Ledger
from oldrestore.runs.sweep.mlflow_parent import tell_mlflow
from oldrestore.runs.sweep.plan import compose_job, plan_jobs, snapshot_configuration
from oldrestore.runs.sweep.summary import spread, summarise
from oldrestore.runs.sweep.sweep import Sweep
from oldrestore.tracking.reader import read_metrics
from tests.photographs import make_folder, make_photograph
from tests.runs.sweep.test_ledger import make_job

FAKE = """
import sys
from pathlib import Path
from oldrestore.tracking.run_folder import RunFolder
outputs, run_id, value, ending = sys.argv[1:]
folder = RunFolder.create(Path(outputs), "tiny", run_id)
folder.write_config("seed: 0", [])
folder.status("running")
if ending == "kill":
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
if ending == "refuse":
    print("oldrestore: there is no such thing", file=sys.stderr)
    sys.exit(2)
folder.status("failed" if ending == "fail" else "finished", ending, summary={"val/loss": float(value)})
sys.exit(1 if ending == "fail" else 0)
"""


@pytest.fixture
def endings(monkeypatch) -> dict[str, str]:
    """Jobs are small programs that end as they are told; by key."""
    told: dict[str, str] = {}
    real = subprocess.Popen

    def fake(command, **options):
        if "--job" not in command:
            return real(command, **options)
        job = json.loads(Path(command[-1]).read_text())
        config = job["config"]
        ending = told.get(f"{config['value']}/{config['seed']}", "finish")
        if job["resume"]:
            told["resumed"] = job["resume"]
            return real([sys.executable, "-c", "pass"], **options)
        value = str(config["value"] + config["seed"])
        return real([sys.executable, "-c", FAKE, config["outputs"], config["run_id"], value, ending], **options)

    monkeypatch.setattr(launching.subprocess, "Popen", fake)
    return told


def jobs_of(outputs: Path) -> list:
    return [
        make_job(
            f"{value}-{seed}",
            seed,
            {"value": str(value)},
            f"identity {value}",
            outputs=str(outputs),
            value=value,
        )
        for value in (10, 20)
        for seed in (0, 1)
    ]


def carry_out(outputs: Path, retry_failed: bool = False, slots: int = 2) -> tuple[Sweep, list[str]]:
    said: list[str] = []
    sweep = Sweep("s", jobs_of(outputs))
    sweep.begin(retry_failed)
    sweep.carry_out(slots, True, said.append)
    return sweep, said


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
    assert len([line for line in said if line.startswith("started")]) == 4
    folders = {entry.key: entry.folder for entry in sweep.ledger.entries()}
    endings.clear()
    sweep, said = carry_out(tmp_path)
    assert [line.split()[:3] for line in said if line.startswith("started")] == [["started", "value=20", "seed=1"]]
    assert endings["resumed"] == folders["20-1"]
    sweep, said = carry_out(tmp_path, retry_failed=True)
    assert len([line for line in said if line.startswith("started")]) == 2
    entries = {entry.key: entry for entry in sweep.ledger.entries()}
    assert {entry.state for entry in entries.values()} == {"done"}
    assert {key: entry.attempts for key, entry in entries.items()} == {"10-0": 1, "10-1": 2, "20-0": 2, "20-1": 2}
    assert entries["10-1"].folder != folders["10-1"]
    for entry in entries.values():
        assert Path(entry.log).is_file()
    assert carry_out(tmp_path, retry_failed=True)[1] == []


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
    assert later.of_other_code() == ""
    anew = [replace(job, key=f"new {job.key}", code="other") for job in jobs_of(tmp_path)]
    assert Sweep("s", anew).of_other_code() == " (4 were done with other code)"


def test_a_signal_stops_the_jobs_and_takes_no_more(tmp_path, endings, monkeypatch):
    monkeypatch.setattr(sweeping, "POLL", 0.01)
    said: list[str] = []
    sweep = Sweep("s", jobs_of(tmp_path))
    sweep.begin(False)

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("started"):
            os.kill(os.getpid(), signal.SIGTERM)

    sweep.carry_out(1, True, say)
    assert sweep.stopped
    assert len([line for line in said if line.startswith("started")]) == 1
    assert [entry.state for entry in sweep.ledger.entries()].count("queued") == 3


def test_seeds_are_put_together_with_mean_spread_and_n(tmp_path, endings):
    endings |= {"20/1": "fail"}
    sweep, _ = carry_out(tmp_path)
    summary = summarise(sweep.ledger.entries(sweep.keys), "val/loss")
    summary.write(tmp_path)
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["value"] for row in rows] == ["10", "20"]
    assert [(row["n"], row["jobs"]) for row in rows] == [("2", "2"), ("1", "2")]
    assert float(rows[0]["val/loss"]) == 10.5
    assert float(rows[0]["val/loss deviation"]) == pytest.approx(np.std([10, 11], ddof=1))
    assert rows[1]["val/loss deviation"] == ""
    with (tmp_path / "jobs.csv").open() as file:
        jobs = list(csv.DictReader(file))
    assert [(job["seed"], job["state"], job["val/loss"]) for job in jobs] == [
        ("0", "done", "10.0"),
        ("1", "done", "11.0"),
        ("0", "done", "20.0"),
        ("1", "failed", ""),
    ]
    assert math.isnan(spread([1.0, math.inf]).mean)
    assert spread([2.0]).deviation is None


def test_a_jobs_identity_is_what_changes_results(tmp_path, workshop):
    base = workshop.arguments(["evaluation.judged=null"])
    (job,) = plan_jobs(base)
    for same in ("tracking=none", "trainer.workers=2", "trainer.checkpoint_every=1", "experiment=other"):
        (other,) = plan_jobs([*base, same])
        assert other.key == job.key, same
    (seed,) = plan_jobs([*base, "seed=1"])
    assert (seed.identity, seed.seed) == (job.identity, 1)
    assert seed.key != job.key
    for different in ("model.width=0.125", "loss=cross_entropy", "trainer.batch_size=1", "evaluation.size=64"):
        (other,) = plan_jobs([*base, different])
        assert other.identity != job.identity, different
    # The same photographs elsewhere are the same job; another photograph is another.
    elsewhere = make_folder(tmp_path / "elsewhere")
    (moved,) = plan_jobs([*base, f"dataset.root={elsewhere}"])
    assert moved.key == job.key
    from PIL import Image

    Image.fromarray(make_photograph(400)).save(elsewhere / "train" / "0" / "train0.jpg", quality=95)
    (swapped,) = plan_jobs([*base, f"dataset.root={elsewhere}"])
    assert swapped.identity != job.identity


def test_weights_count_by_what_they_hold(tmp_path):
    config, _ = compose_job(["model.width=0.0625"])
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    one.write_bytes(b"same")
    other.write_bytes(b"same")
    held = []
    for path in (one, other):
        config.model.weights = str(path)
        held.append(settings_of(config)["model.weights"])
    assert held[0] == held[1]
    assert held[0].startswith("sha256:")


def test_code_that_results_depend_on_is_part_of_the_key(workshop, monkeypatch):
    base = workshop.arguments(["evaluation.judged=null"])
    (before,) = plan_jobs(base)
    from oldrestore.runs.sweep import plan

    monkeypatch.setattr(plan, "results_code_hash", lambda: "other")
    (after,) = plan_jobs(base)
    assert after.identity == before.identity
    assert after.key != before.key


def test_code_of_verbs_and_trackers_is_no_part(tmp_path, monkeypatch):
    for name in ("losses/l1.py", "commands/train.py", "tracking/ui.py", "runs/report/page.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("a = 1\n")
    monkeypatch.setattr(job_identity, "PACKAGE", tmp_path)
    digest = job_identity.results_code_hash.__wrapped__
    before = digest()
    (tmp_path / "commands" / "train.py").write_text("a = 2\n")
    (tmp_path / "tracking" / "ui.py").write_text("a = 2\n")
    (tmp_path / "runs" / "report" / "page.py").write_text("a = 2\n")
    assert digest() == before
    (tmp_path / "losses" / "l1.py").write_text("a = 2\n")
    assert digest() != before


def test_a_sweep_file_gives_its_grid_and_its_settings(workshop):
    jobs = plan_jobs(
        [*workshop.arguments(["evaluation.judged=null"]), "sweeps=rebalancing", "seed=0,1", "dataset=image_folder"]
    )
    assert len(jobs) == 2 * 5 * 2
    assert {tuple(job.settings) for job in jobs} == {("loss.rebalance.lambda_", "loss.rebalance.clamp")}
    assert len({job.identity for job in jobs}) == 10
    assert all(job.config["schedule"]["warmup"] == 50 for job in jobs)
    assert jobs[0].choices["schedule"] == "cosine"
    assert jobs[0].overrides[0] == "sweeps=rebalancing"


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
        (["sweeps=seeds", "--jobs", "0"], "--jobs takes"),
        (["--name", "a/b"], "the name of a sweep"),
        (["sweeps=seeds", "dataset=image_folder", "dataset.root=/no/such/folder"], "/no/such/folder"),
        (["--job", "/no/such/job.json"], "is not a job of a sweep"),
    ],
)
def test_a_wrong_request_is_one_sentence(tmp_path, capsys, arguments, sentence):
    assert main(["sweep", *arguments, f"outputs={tmp_path}"]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_dry_run_prints_the_jobs_and_makes_nothing(workshop, capsys):
    arguments = [*workshop.arguments(["evaluation.judged=null"]), "sweeps=seeds"]
    assert main(["sweep", *arguments, "--dry-run", "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    assert [(job["seed"], job["state"]) for job in jobs] == [(0, "new"), (1, "new"), (2, "new")]
    assert not list(workshop.outputs.iterdir())


def test_the_configuration_is_copied_once_for_equal_contents(tmp_path):
    place = snapshot_configuration(tmp_path)
    assert (place / "conf" / "config.yaml").read_text().startswith("# The root of every configuration")
    assert (place / "sweeps" / "seeds.yaml").is_file()
    assert snapshot_configuration(tmp_path) == place
    assert len(list(tmp_path.iterdir())) == 1


def test_jobs_at_once_share_cores_and_gpus(monkeypatch):
    monkeypatch.setattr(launching, "physical_cores", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    config = {"trainer": {"device": "auto"}}
    assert launching.shares(config, 0, 3, False) == {"CUDA_VISIBLE_DEVICES": "2", "OMP_NUM_THREADS": "2"}
    assert launching.shares(config, 1, 3, True) == {"CUDA_VISIBLE_DEVICES": "5"}
    assert launching.shares({"trainer": {"device": "cpu"}}, 1, 1, False) == {}
    assert launching.shares({"trainer": {"device": "gpu:1"}}, 0, 1, False) == {}


def test_mlflow_nests_the_runs_below_one_parent(tracked_run, tmp_path, monkeypatch):
    outputs = tracked_run.parent.parent
    tracking = {"mlflow": {"tracking_uri": None, "experiment": None}}
    job = make_job("a", outputs=str(outputs), tracking=tracking)
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.register([job])
    (entry,) = ledger.entries()
    done = replace(entry, state="done", folder=str(tracked_run))
    summary = summarise([done], "val/loss")
    summary.write(tmp_path)
    page = tmp_path / "s.html"
    page.write_text("<p>a report")
    for report in (None, page):
        assert tell_mlflow("s", job, ledger, summary, tmp_path, report) is None
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny").experiment_id
    (parent,) = client.search_runs([experiment], "tags.sweep = 's'")
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert [child.data.tags["run_id"] for child in children] == [tracked_run.name]
    assert parent.info.status == "FINISHED"
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} == {"jobs.csv", "summary.csv", "s.html"}
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    unreachable = {"mlflow": {"tracking_uri": "http://127.0.0.1:9", "experiment": None}}
    assert "sweep" in tell_mlflow("s", make_job("a", tracking=unreachable), ledger, summary, tmp_path)


def test_runs_of_a_sweep_stand_in_one_folder(workshop):
    with pytest.raises(UserError, match="one outputs folder"):
        plan_jobs([*workshop.arguments(["evaluation.judged=null"])[:-1], "outputs=a,b", "seed=0"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twelve_jobs_with_two_failures_and_a_kill_run_once_and_again(workshop, tmp_path):
    settings = [
        "evaluation.judged=null",
        "trainer.max_iterations=60",
        "trainer.evaluate_every=0",
        "trainer.checkpoint_every=2",
        "tracking=none",
        "sweeps=seeds",
        "seed=0,1",
        "optimizer.learning_rate=0.001,0.002,0.003,0.004,0.005,1e30",
    ]
    # From a copy, since jobs whose code is changed meanwhile are other jobs.
    code = tmp_path / "code"
    shutil.copytree(PACKAGE, code / "oldrestore", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conf", "experiments", "sweeps"):
        shutil.copytree(configuration_root() / name, code / name)
    environment = os.environ | {"PYTHONPATH": str(code)}
    command = [sys.executable, "-P", "-m", "oldrestore", "sweep", *workshop.arguments(settings), "--jobs=2", "--json"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    killed = kill_one(workshop.outputs / "sweeps" / "seeds" / "ledger.db", first)
    out, err = first.communicate()
    assert first.returncode == 1, err
    jobs = json.loads(out)["jobs"]
    states = [job["state"] for job in jobs]
    assert (states.count("done"), states.count("failed"), states.count("interrupted")) == (9, 2, 1)
    assert {job["reason"] for job in jobs if job["state"] == "interrupted"} == {"killed by SIGKILL"}
    assert all("is nan at iteration" in job["reason"] for job in jobs if job["state"] == "failed")

    second = subprocess.run([*command, "--retry-failed"], capture_output=True, text=True, env=environment)
    assert second.returncode == 1
    assert "jobs        12, 9 skipped (done), 3 retried" in second.stderr
    content = json.loads(second.stdout)
    states = [job["state"] for job in content["jobs"]]
    assert (states.count("done"), states.count("failed")) == (10, 2)
    assert sorted(job["attempts"] for job in content["jobs"]) == [1] * 9 + [2] * 3
    (again,) = (job for job in content["jobs"] if job["folder"] == killed)
    assert again["state"] == "done"
    assert (Path(killed) / "resumes" / "001").is_dir()
    assert read_metrics(Path(killed))["train/loss"].iterations.tolist() == list(range(60))
    assert [row["n"] for row in content["settings"]] == [2, 2, 2, 2, 2, 0]


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
