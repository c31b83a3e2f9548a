"""Baselines of a run: measured once, kept for the next, found again for an older run, and no part of the training."""

import shutil

import numpy as np
import pytest

from oldrestore.comparison.baselines import measure_missing
from oldrestore.comparison.compare import compare_runs
from oldrestore.evaluation.baseline_scores import TITLES
from oldrestore.records.run import Run
from oldrestore.scoring import baselines


def test_a_run_folder_holds_them_for_the_same_photographs(tracked_run):
    run = Run(tracked_run)
    frame = run.baselines
    assert list(frame["baseline"].unique()) == list(TITLES)
    assert set(frame["image"]) == set(run.scores["image"])
    judged = frame[frame["set"] == "judged"].set_index(["baseline", "metric", "image"])["value"]
    scores = run.scores.set_index(["metric", "image"])["value"]
    for image in set(run.scores["image"]):
        assert judged["gray", "iter_probability", image] == scores["gray_probability", image]
        assert judged["original", "iter_probability", image] == scores["orig_probability", image]
    own = frame[(frame["baseline"] == "original") & (frame["metric"] == "colorfulness")]
    assert own["value"].tolist() == run.scores[run.scores["metric"] == "colorfulness_original"]["value"].tolist()
    assert "beside what needs no network" in (tracked_run / "log.txt").read_text()


def test_the_next_run_finds_them(workshop, monkeypatch):
    code, first = workshop.train("tracking=none", "evaluation.judged=null")
    assert code == 0
    monkeypatch.setattr(baselines, "measured_baselines", lambda *arguments: pytest.fail("measured twice"))
    code, second = workshop.train("tracking=none", "evaluation.judged=null", "loss=cross_entropy", "seed=1")
    assert code == 0
    assert (first / "baselines.csv").read_bytes() == (second / "baselines.csv").read_bytes()


def test_a_run_ends_well_without_them(workshop, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(baselines, "measured_baselines", full)
    monkeypatch.setattr(baselines, "cache_path", lambda *arguments: workshop.outputs / "none")
    code, folder = workshop.train("tracking=none", "evaluation.judged=null")
    assert code == 0 and Run(folder).state == "finished"
    assert not (folder / "baselines.csv").exists()
    assert "the baselines were not measured: the disk is full" in capsys.readouterr().out


def test_an_older_run_is_measured_when_it_is_compared(tracked_run, tmp_path, monkeypatch):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "cache"))
    older = tmp_path / "outputs" / "tiny" / tracked_run.name
    shutil.copytree(tracked_run, older, ignore=shutil.ignore_patterns("baselines.csv", "visualdl"))
    assert "psnr" not in compare_runs([Run(older)]).baselines["gray"]
    assert compare_runs([Run(older)]).lacks_floor
    measure_missing([Run(older)])
    found, kept = (compare_runs([Run(folder)], measures=["psnr"]) for folder in (older, tracked_run))
    assert not found.lacks_floor
    assert {t: c["psnr"].value for t, c in found.baselines.items()} == {
        t: c["psnr"].value for t, c in kept.baselines.items()
    }


def test_an_evaluation_has_its_own(tracked_run, cli):
    printed = cli("evaluate", tracked_run).out
    lines = printed[printed.index("beside what needs no network") :].splitlines()
    assert [line.split("  ")[0].strip() for line in lines[4:9]] == ["network", *TITLES.values()]
    # What a table shows is not listed again.
    assert "what the judge efficientnet_lite0 says" in printed and "agreement/kl" not in printed
    evaluation = Run(tracked_run).evaluations[-1]
    values = evaluation.baselines["value"].to_numpy()
    np.testing.assert_array_equal(values, Run(tracked_run).baselines["value"].to_numpy())
    shutil.rmtree(evaluation.folder)
