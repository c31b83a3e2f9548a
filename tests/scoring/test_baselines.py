"""Baselines of a run: measured once, kept for the next, found again for an older run, and no part of the training."""

import shutil

import numpy as np
import pandas as pd
import pytest

from oldrestore.comparison.baselines import measure_missing
from oldrestore.comparison.compare import compare_runs
from oldrestore.evaluation.baseline_scores import TITLES, BaselineScore
from oldrestore.records.run import Run
from oldrestore.scoring import baselines


def test_a_run_folder_holds_them_for_the_same_photographs(tracked_run):
    run = Run(tracked_run)
    frame = run.baselines
    assert set(frame["baseline"]) == set(TITLES)
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
    assert [line.split("  ")[0].strip() for line in lines[4:11]] == ["network", *TITLES.values()]
    # What a table shows is not listed again.
    assert "what the judge efficientnet_lite0 says" in printed and "agreement/kl" not in printed
    evaluation = Run(tracked_run).evaluations[-1]
    values = evaluation.baselines["value"].to_numpy()
    np.testing.assert_array_equal(values, Run(tracked_run).baselines["value"].to_numpy())
    shutil.rmtree(evaluation.folder)


def test_each_further_judge_has_a_table_of_its_own():
    rows = [("val", "psnr", 20.0), ("judged", "iter_correct", 0.5), ("other", "iter_correct", 0.25)]
    rows += [("other", "iter_probability", 0.125), ("other_agreement", "kl", 0.75)]
    frame = pd.DataFrame([BaselineScore("gray", s, "a.jpg", metric, value, 1.0, 0, 0) for s, metric, value in rows])
    measured = {"val/psnr": 25.0, "val/loss": 3.0, "judged/iter_accuracy": 1.0}
    assert len(baselines.beside_baselines(measured, frame)) == 1
    measured |= {"other/iter_accuracy": 0.375, "other/iter_probability": 0.2, "other_agreement/kl": 0.5}
    first, other = baselines.beside_baselines(measured, frame)
    assert [list(column.cells) for column in first.columns] == [
        ["network", "gray"],
        ["25.00", "20.00"],
        ["100.0%", "50.0%"],
    ]
    assert other.title == "the same by the judge other"
    assert [list(column.cells) for column in other.columns[1:]] == [
        ["37.5%", "25.0%"],
        ["0.200", "0.125"],
        ["0.500", "0.750"],
    ]
