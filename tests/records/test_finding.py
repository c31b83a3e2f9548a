"""Runs are found by name, and evaluated again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.cli import main
from oldrestore.config.compose import override_config
from oldrestore.errors import UserError
from oldrestore.records.finding import find_run, runs_of_sweep
from oldrestore.records.identity import new_run_id
from oldrestore.records.run import Run


def test_run_ids_are_unique_in_one_second():
    assert len({new_run_id() for _ in range(1000)}) == 1000


def test_a_run_is_found_by_folder_id_beginning_and_last(tracked_run):
    for name in (str(tracked_run), tracked_run.name, tracked_run.name[:12], "last"):
        assert find_run(name, tracked_run.parent.parent) == tracked_run


def test_a_sweeps_folder_stands_for_its_jobs_that_are_done(tmp_path):
    folder = tmp_path / "sweeps" / "mine"
    assert runs_of_sweep(folder) is None
    folder.mkdir(parents=True)
    assert runs_of_sweep(folder) is None
    # Of an outputs folder that was moved.
    rows = ["state,folder", "done,/before/quickstart/a", "failed,/before/quickstart/b", "done,/before/quickstart/c"]
    (folder / "jobs.csv").write_text("\n".join(rows))
    (tmp_path / "quickstart" / "a").mkdir(parents=True)
    assert runs_of_sweep(folder) == [tmp_path / "quickstart" / "a", Path("/before/quickstart/c")]
    (folder / "jobs.csv").write_text("\n".join([*rows[:1], rows[2], "queued,"]))
    with pytest.raises(UserError, match=r"no job of the sweep .*mine is done"):
        runs_of_sweep(folder)


def test_an_exact_run_id_wins_over_one_that_begins_with_it(tmp_path):
    for name in ("a", "ab"):
        (tmp_path / "x" / name).mkdir(parents=True)
        (tmp_path / "x" / name / "config.yaml").write_text("seed: 0\n")
    assert find_run("a", tmp_path).name == "a"


@pytest.mark.parametrize(
    "name", ["r/evaluations/e1", "r/evaluations/last/", "{}/r/evaluations/e1", "last/evaluations/e1"]
)
def test_an_evaluation_is_found_below_its_run(tmp_path, name):
    for folder in ("x/r", "x/r/evaluations/e0", "x/r/evaluations/e1"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "config.yaml").write_text("seed: 0\n")
    assert find_run(name.format(tmp_path / "x"), tmp_path) == tmp_path / "x/r/evaluations/e1"
    for wrong, sentence in (
        ("r/evaluations/q", "'r' has no evaluation 'q'"),
        ("r/evaluations/e", "beginning of 2 run ids"),
    ):
        with pytest.raises(UserError, match=sentence):
            find_run(wrong, tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing", "there is no run 'nothing'"),
        ("a" * 300, r"cannot be looked up \(the name is too long\)"),
        ("", "the name of the run is empty"),
    ],
)
def test_names_that_name_nothing_are_one_sentence(tmp_path, name, sentence):
    with pytest.raises(UserError, match=sentence):
        find_run(name, tmp_path)


def test_evaluating_again_gives_the_scores_of_the_run(tracked_run, capsys):
    assert main(["evaluate", str(tracked_run), "--checkpoint", "last", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    metrics = Run(tracked_run).curves
    for name in ("psnr", "auc", "auc_rebalanced", "ab_rmse"):
        assert scores["validation"][name] == pytest.approx(metrics[f"val/{name}"].values[-1], rel=1e-6)
    assert scores["accuracy"][-1]["n"] == 3
    assert main(["evaluate", str(tracked_run), "evaluation.judged_split=train"]) == 2
    assert "are trained on too" in capsys.readouterr().err


def test_the_folder_of_an_evaluation_is_printed_as_it_is_typed_from_here(tracked_run, capsys, monkeypatch):
    def last_line() -> str:
        assert main(["evaluate", str(tracked_run), "evaluation.judged=null", "evaluation.samples=0"]) == 0
        return capsys.readouterr().out.splitlines()[-1]

    monkeypatch.chdir(tracked_run.parent.parent)
    printed = last_line()
    assert printed.startswith(f"tiny/{tracked_run.name}/evaluations/") and Path(printed).is_dir()
    monkeypatch.chdir(tracked_run / "checkpoints")
    assert last_line().startswith(f"{tracked_run}/evaluations/")


def test_the_network_of_a_run_is_loaded_without_a_word(tracked_run):
    program = (
        "import sys\nfrom oldrestore.api import load_run\nrun = load_run(sys.argv[1])\nrun.metrics, run.scores\n"
        "assert 'paddle' not in sys.modules\nprint(type(run.network()).__name__)"
    )
    # As a fresh shell has it: what a process sets for Paddle, those that it starts inherit.
    changed = ("PYTHONWARNINGS", "GLOG_minloglevel", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in changed}
    command = [sys.executable, "-c", program, str(tracked_run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert (done.stdout, done.stderr) == ("Eccv16\n", "")


def test_evaluating_with_another_decoding_uses_it(tracked_run, capsys):
    def colorfulness(*overrides: str) -> float:
        assert main(["evaluate", str(tracked_run), "--json", "evaluation.judged=null", *overrides]) == 0
        return json.loads(capsys.readouterr().out)["validation"]["colorfulness"]

    # The released decoding is the mean, which an annealed mean of temperature 1 is too.
    mean = colorfulness("model.temperature=1.0")
    assert colorfulness("model.decoding=released") == pytest.approx(mean, rel=1e-5)
    assert colorfulness("model.temperature=0.1") != pytest.approx(mean, rel=1e-5)


def test_a_setting_is_of_the_group_chosen_wherever_it_is_typed(tracked_run):
    config = Run(tracked_run).composed
    order = [f"dataset.root={config.dataset.root}", "dataset=image_folder"]
    for typed in (order, order[::-1]):
        assert override_config(config, typed).dataset.root == config.dataset.root
