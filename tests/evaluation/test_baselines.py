"""Constant colours and the originals, scored as a network is; tints chosen on other photographs."""

import numpy as np
import pandas as pd
import pytest
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from oldrestore.color.lab import lab_to_rgb8, rgb_to_lab
from oldrestore.evaluation.baseline_scores import figures_of
from oldrestore.evaluation.baselines import (
    GRAY,
    JUDGED,
    TINTS,
    best_tints,
    mean_color,
    score_agreement,
    score_colors,
    score_judged,
)
from oldrestore.evaluation.judge import Judge
from tests.generated_photographs import make_photograph

PHOTOS = [(f"{seed}.png", make_photograph(seed, 24)) for seed in range(4)]


class ColorJudge(Judge):
    """Sees class 1, the surer the nearer a photograph's mean colour is to a tint."""

    name, fingerprint = "by colour", "0"

    def __init__(self, tint):
        self.tint = np.array(tint)

    def probabilities(self, photos):
        found = np.zeros((len(photos), 1000), np.float32)
        for row, rgb in zip(found, photos, strict=True):
            apart = np.hypot(*(rgb_to_lab(rgb)[..., 1:].mean(axis=(0, 1)) - self.tint))
            row[1] = np.exp(-apart / 1000)
            row[0] = 1 - row[1]
        return found


def tinted(rgb, tint):
    lab = rgb_to_lab(rgb)
    return lab_to_rgb8(np.concatenate([lab[..., :1], np.broadcast_to(np.float32(tint), lab[..., 1:].shape)], axis=-1))


def test_the_mean_colour_counts_each_photograph_once():
    photos = [make_photograph(0, 16), make_photograph(1, 48)]
    expected = np.mean([rgb2lab(rgb)[..., 1:].mean(axis=(0, 1)) for rgb in photos], axis=0)
    assert mean_color(photos) == pytest.approx(expected, abs=1e-3)


def test_each_metric_has_the_tint_that_does_best_by_it():
    warm = [tinted(rgb, (3.0, 13.0)) for _, rgb in PHOTOS]
    chosen = best_tints(warm, None, None)
    assert chosen["ab_rmse"] == (4.0, 12.0)
    assert "colorfulness" not in chosen and JUDGED not in chosen, "neither way is better; nobody judges"
    psnr = {t: np.mean([peak_signal_noise_ratio(rgb, tinted(rgb, t), data_range=255) for rgb in warm]) for t in TINTS}
    assert chosen["psnr"] == max(psnr, key=psnr.get)
    liked = best_tints([rgb for _, rgb in PHOTOS], ColorJudge((-8, -12)), None)[JUDGED]
    assert liked == (-8.0, -12.0)


def test_scores_of_photographs_are_those_of_the_colours():
    tints = {"psnr": (4.0, 6.0), "auc": GRAY, JUDGED: (0.0, 18.0)}
    scores = list(score_colors(lambda: iter(PHOTOS), (1.5, -2.0), tints, None))
    by_name = {(s.baseline, s.metric, s.image): s for s in scores}
    assert {s.metric for s in scores if s.baseline == "tint"} == {"psnr", "auc"}
    for name, rgb in PHOTOS:
        for baseline, color in (("gray", GRAY), ("mean", (1.5, -2.0)), ("tint", (4.0, 6.0))):
            score = by_name[baseline, "psnr", name]
            assert score.value == pytest.approx(peak_signal_noise_ratio(rgb, tinted(rgb, color), data_range=255))
            assert (score.a, score.b) == color
        assert by_name["tint", "auc", name].value == by_name["gray", "auc", name].value
        assert by_name["original", "de2000", name].value == 0
        assert by_name["original", "psnr", name].value == 100
        assert by_name["gray", "nearer_than_gray", name].value == 0.5
        assert by_name["original", "psnr", name].a is None
    known = list(score_colors(lambda: iter(PHOTOS), None, {}, None))
    assert {s.baseline for s in known} == {"gray", "original"}


def test_a_judge_sees_each_baseline():
    judge, labelled = ColorJudge((0, 18)), [(name, rgb, (1,)) for name, rgb in PHOTOS]
    scores = list(score_judged(lambda: iter(labelled), judge, (2.0, 3.0), {JUDGED: (0.0, 18.0)}, 2))
    by_name = {(s.baseline, s.metric, s.image): s.value for s in scores}
    for name, rgb in PHOTOS:
        shown = {"gray": tinted(rgb, GRAY), "mean": tinted(rgb, (2.0, 3.0)), "tint": tinted(rgb, (0.0, 18.0))}
        for baseline, picture in (shown | {"original": rgb}).items():
            (expected,) = judge.probabilities([picture])
            assert by_name[baseline, "iter_probability", name] == pytest.approx(expected[1], abs=1e-6)
            assert by_name[baseline, "iter_correct", name] == float(expected[1] > expected[0])
    answered = list(score_agreement(lambda: iter(PHOTOS), judge, (2.0, 3.0), {"agreement/kl": (0.0, 18.0)}, 3))
    assert {(s.baseline, s.metric) for s in answered if s.baseline == "tint"} == {("tint", "kl")}
    assert {s.value for s in answered if (s.baseline, s.metric) == ("original", "kl")} == {0.0}
    for name, rgb in PHOTOS:
        (p,), (q,) = judge.probabilities([rgb])[:, :2].astype(float), judge.probabilities([tinted(rgb, (0, 18))])[:, :2]
        (kl,) = (s.value for s in answered if (s.baseline, s.metric, s.image) == ("tint", "kl", name))
        assert kl == pytest.approx((p * np.log(p / q)).sum(), abs=1e-6)
    only = list(score_judged(lambda: iter(labelled), judge, None, {}, 2))
    assert {s.baseline for s in only} == {"gray", "original"}


def test_figures_have_the_names_that_runs_log_them_by():
    scores = [*score_colors(lambda: iter(PHOTOS), (1.5, -2.0), {"psnr": GRAY}, None)]
    labelled = [(name, rgb, (1,)) for name, rgb in PHOTOS]
    scores += score_judged(lambda: iter(labelled), ColorJudge((0, 18)), (1.5, -2.0), {}, 2)
    figures = figures_of(pd.DataFrame(scores))
    assert list(figures) == ["gray", "mean colour", "best tint", "originals"]
    assert list(figures["best tint"]) == ["val/psnr"]
    psnr = [peak_signal_noise_ratio(rgb, tinted(rgb, GRAY), data_range=255) for _, rgb in PHOTOS]
    assert figures["gray"]["val/psnr"] == figures["best tint"]["val/psnr"] == pytest.approx(np.mean(psnr))
    assert figures["originals"]["judged/iter_accuracy"] == 1
    assert "judged/gap_closed" not in figures["gray"]
