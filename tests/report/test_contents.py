"""What a report is made of, against numbers computed anew from the run folders."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from oldrestore.errors import UserError
from oldrestore.records.run import Run
from oldrestore.report.contents import gather
from tests.comparison.synthetic import curve, make_designs, make_run, scores, write_metrics

SHIFTS = {"hard_cross_entropy": 0.0, "focal": 0.002, "cross_entropy": 0.08}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    return make_designs(tmp_path_factory.mktemp("outputs"), SHIFTS, (0, 1, 2), length=20)


@pytest.fixture(scope="module")
def group(runs):
    return gather(runs, photographs=0, resamples=500).groups[0]


def test_figures_are_those_of_the_folders(runs, group):
    assert group.names == list(SHIFTS)
    for design in range(3):
        each = []
        for run in runs[3 * design : 3 * design + 3]:
            table = pd.read_csv(run.folder / "per_image.csv")
            rows = table[(table.trained_iterations == 20) & (table.metric == "auc_rebalanced")]
            each.append(np.average(rows.value, weights=rows.weight))
        assert group.by_seed["auc_rebalanced"][design] == pytest.approx(each, abs=1e-12)
        assert group.cell(design, "auc_rebalanced").value == pytest.approx(np.mean(each), abs=1e-12)
    # What is not in the table has figures too.
    assert [measure.name for measure in group.compared.measures] == [
        measure.name for measure in group.further[: len(group.compared.measures)]
    ]
    assert group.headline.name == "auc_rebalanced" and group.judged


def test_curves_are_means_between_their_seeds(group):
    series = group.one("train/loss")
    assert series.block == 1 and [series.name for series in group.losses] == ["train/loss", "val/loss"]
    for band, loss in zip(series.bands, SHIFTS, strict=True):
        each = np.array([[curve(loss, seed)[at]["train/loss"] for at in range(1, 21)] for seed in (0, 1, 2)])
        assert band.iterations.tolist() == list(range(1, 21)) and set(band.seeds) == {3}
        assert band.mean == pytest.approx(each.mean(axis=0), abs=1e-12)
        assert (band.low == each.min(axis=0)).all() and (band.high == each.max(axis=0)).all()
    assert [series.name for series in group.over_iterations] == ["val/auc", "judged/iter_accuracy"]


@pytest.mark.parametrize("length", [95, 97])
def test_long_curves_are_averaged_in_blocks_that_miss_no_iteration(tmp_path, length):
    """A last block of few iterations joins the one before."""
    runs = make_designs(tmp_path, SHIFTS, (0, 1, 2), length=length)
    series = gather(runs, photographs=0, resamples=100).groups[0].one("train/loss")
    assert series.block == 3  # as many points in at most 40
    band = series.bands[0]
    raw = np.array(
        [[value["train/loss"] for value in curve("hard_cross_entropy", seed, length).values()] for seed in range(3)]
    )
    starts = [*range(0, 93, 3), 93]
    ends = [*starts[1:], length]
    means = np.array([raw[:, start:end].mean(axis=1) for start, end in zip(starts, ends, strict=True)])
    assert band.iterations.tolist() == ends
    assert band.mean == pytest.approx(means.mean(axis=1), abs=1e-12)
    assert band.high == pytest.approx(means.max(axis=1), abs=1e-12)


def test_runs_of_other_lengths_and_lost_values_keep_what_they_have(tmp_path):
    for seed, length in ((0, 4), (1, 2)):
        folder = make_run(tmp_path, f"r{seed}", {"seed": seed}, scored=scores(0, seed))
        value = {at: {"train/loss": float(at + 10 * seed)} for at in range(1, length + 1)}
        if seed == 0:
            value[2]["train/loss"] = "NaN"
        write_metrics(folder, value)
    runs = [Run(tmp_path / "e" / f"r{seed}") for seed in (0, 1)]
    (band,) = gather(runs, photographs=0, resamples=100).groups[0].one("train/loss").bands
    assert band.seeds.tolist() == [2, 1, 1, 1]
    assert band.mean.tolist() == [6.0, 12.0, 3.0, 4.0]
    assert band.low.tolist() == [1.0, 12.0, 3.0, 4.0]


def test_origins_tell_photographs_protocol_and_the_command(runs, group, monkeypatch):
    origin = group.origins[0]
    assert (origin.run_id, origin.design, origin.seed) == ("d0-0", 0, 0)
    assert origin.facts["validation photographs"] == "40 of photos, fingerprint v"
    assert origin.facts["judge"] == "efficientnet_lite0, fingerprint w"
    assert re.fullmatch("photos, hash [0-9a-f]{12}", origin.facts["protocol"])
    assert origin.facts["commit"] == "not recorded"  # there is no provenance.json
    assert origin.reproduce == f"oldrestore reproduce {runs[0].folder}"
    folder = runs[0].folder
    recorded = {"commit": "c" * 40, "dirty": True, "patch_sha256": "p" * 64, "python": "3.11.7", "device": "cpu"}
    recorded |= {"packages": {"numpy": "2.4", "left-pad": "1"}, "environment": {"OMP_NUM_THREADS": "2"}}
    (folder / "provenance.json").write_text(json.dumps(recorded))
    (folder / "overrides.yaml").write_text('- "loss=focal"\n- "experiment=two words"\n')
    monkeypatch.chdir(folder.parent.parent)
    origin = gather([Run(run.folder) for run in runs], photographs=0, resamples=100).groups[0].origins[0]
    assert list(origin.facts.items())[-6:] == [
        ("commit", "c" * 40),
        ("uncommitted changes", "yes, kept as a patch (pppppppppppp)"),
        ("python version", "3.11.7"),
        ("device", "cpu"),
        ("threads", "2"),
        ("package numpy", "2.4"),
    ]
    assert origin.typed == "oldrestore train loss=focal 'experiment=two words'"
    assert origin.reproduce == "oldrestore reproduce e/d0-0"
    (folder / "provenance.json").unlink()


def test_refusals_and_groups_are_those_of_compare(tmp_path, runs):
    other = Run(make_run(tmp_path, "other", data={"val.fingerprint": "x"}))
    with pytest.raises(UserError, match="validation photographs"):
        gather([*runs, other], photographs=0, resamples=100)
    report = gather([*runs, other], anyway=True, photographs=0, resamples=100)
    assert [len(group.origins) for group in report.groups] == [9, 1] and report.runs == 10
    with pytest.raises(UserError, match="none of the runs has 'beauty'"):
        gather(runs, headline="beauty", photographs=0, resamples=100)
    with pytest.raises(UserError, match="no run"):
        gather([], photographs=0)


def test_measure_of_the_verdict_can_be_chosen(runs):
    group = gather(runs, headline="psnr", photographs=0, resamples=100).groups[0]
    assert group.headline.name == "psnr" and group.words.best == 2
    group = gather(runs, measures=["auc"], headline="psnr", photographs=0, resamples=100).groups[0]
    assert [measure.name for measure in group.compared.measures] == ["auc", "psnr"]


def test_runs_that_measure_no_colour_have_a_report_too(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"{i}.jpg" for i in range(12)]
    for seed in (0, 1):
        found = {"holes": (names, {"psnr": (25 + rng.normal(size=12), np.ones(12))})}
        make_run(tmp_path, f"h{seed}", {"seed": seed, "evaluation.color": False}, scored=found)
    runs = [Run(tmp_path / "e" / f"h{seed}") for seed in (0, 1)]
    group = gather(runs, resamples=100).groups[0]
    assert group.headline.name == "holes/psnr" and not group.judged
    assert group.words.verdict == "alone" and "No judge" in " ".join(group.words.sentences)
    assert group.pictures.photographs == [] and set(group.pictures.missing.values()) == {"it predicts no colour"}


def test_names_that_are_long_or_alike_become_numbers(tmp_path):
    for sigma in (5.0, 5.00001):  # alike to four digits
        make_run(tmp_path, f"s{sigma}", {"loss.sigma": sigma})
    runs = [Run(path) for path in sorted((tmp_path / "e").iterdir())]
    assert gather(runs, photographs=0, resamples=100).groups[0].names == ["design 1", "design 2"]
    config = OmegaConf.load(runs[0].folder / "config.yaml")
    config.loss.sigma = 8.0
    OmegaConf.save(config, runs[0].folder / "config.yaml")
    runs = [Run(run.folder) for run in runs]
    assert gather(runs, photographs=0, resamples=100).groups[0].names == ["sigma 8", "sigma 5"]
