"""Constant colours and the originals, scored as a network is; tints chosen on other photographs."""

import numpy as np
import pandas as pd
import pytest
from skimage.metrics import peak_signal_noise_ratio

from oldrestore.color.lab import lab_to_rgb8, rgb_to_lab
from oldrestore.evaluation.baseline_scores import TITLES, figures_of
from oldrestore.evaluation.baselines import JUDGED, best_tints, score_colors
from oldrestore.evaluation.baselines_judged import score_agreement, score_judged
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.reference_colors import GRAY, OF_ORIGINAL, TINTS
from tests.generated_photographs import make_photograph

PHOTOS = [(f"{seed}.png", make_photograph(seed, 24)) for seed in range(4)]


class ColorJudge(Judge):
    """Sees class 1, the surer the nearer a photograph's mean colour is to a tint."""

    def __init__(self, tint):
        self.name = self.fingerprint = f"by colour {tint}"
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


WARM, COLD = ColorJudge((0, 18)), ColorJudge((-8, -12))


def probability(judge, rgb):
    """Of classes 0 and 1."""
    return judge.probabilities([rgb])[0, :2].astype(float)


def in_own_colors(rgb, name):
    lab = rgb_to_lab(rgb)
    return lab_to_rgb8(np.concatenate([lab[..., :1], OF_ORIGINAL[name](lab[..., 1:])], axis=-1))


def test_each_metric_has_the_tint_that_does_best_by_it():
    warm = [tinted(rgb, (3.0, 13.0)) for _, rgb in PHOTOS]
    chosen = best_tints(warm, None, {}, {})
    assert chosen["val", "ab_rmse"] == (4.0, 12.0)
    assert ("val", "colorfulness") not in chosen, "neither way is better"
    assert {set_name for set_name, _ in chosen} == {"val"}, "nobody judges"
    psnr = {t: np.mean([peak_signal_noise_ratio(rgb, tinted(rgb, t), data_range=255) for rgb in warm]) for t in TINTS}
    assert chosen["val", "psnr"] == max(psnr, key=psnr.get)


def test_each_judge_has_the_tint_that_it_likes_best():
    photos = [rgb for _, rgb in PHOTOS]
    judged, agreeing = {"judged": WARM, "cold": COLD}, {"agreement": WARM, "cold_agreement": COLD}
    chosen = best_tints(photos, None, judged, agreeing)
    assert (chosen["judged", JUDGED], chosen["cold", JUDGED]) == ((0.0, 18.0), (-8.0, -12.0))
    for set_name, judge in agreeing.items():
        apart = {}
        for tint in TINTS:
            pairs = [(probability(judge, rgb), probability(judge, tinted(rgb, tint))) for rgb in photos]
            apart[tint] = np.mean([(p * np.log(p / q)).sum() for p, q in pairs])
        assert apart[chosen[set_name, "kl"]] == pytest.approx(min(apart.values()), abs=1e-9)


def test_scores_of_photographs_are_those_of_the_colours():
    tints = {("val", "psnr"): (4.0, 6.0), ("val", "auc"): GRAY, ("judged", JUDGED): (0.0, 18.0)}
    scores = list(score_colors(PHOTOS, (1.5, -2.0), tints, None))
    by_name = {(s.baseline, s.metric, s.image): s for s in scores}
    assert {s.metric for s in scores if s.baseline == "tint"} == {"psnr", "auc"}
    for name, rgb in PHOTOS:
        for baseline, color in (("gray", GRAY), ("mean", (1.5, -2.0)), ("tint", (4.0, 6.0))):
            score = by_name[baseline, "psnr", name]
            assert score.value == pytest.approx(peak_signal_noise_ratio(rgb, tinted(rgb, color), data_range=255))
            assert (score.a, score.b) == color
        for baseline in ("quarter_chroma", "eighth_resolution"):
            score = by_name[baseline, "psnr", name]
            shown = in_own_colors(rgb, baseline)
            assert score.value == pytest.approx(peak_signal_noise_ratio(rgb, shown, data_range=255))
            assert (score.a, score.b) == (None, None)
        assert by_name["tint", "auc", name].value == by_name["gray", "auc", name].value
        assert by_name["original", "de2000", name].value == 0
        assert by_name["original", "psnr", name].value == 100
        assert by_name["gray", "nearer_than_gray", name].value == 0.5
        assert by_name["original", "psnr", name].a is None
    known = list(score_colors(PHOTOS, None, {}, None))
    assert {s.baseline for s in known} == {"gray", *OF_ORIGINAL}


def test_every_judge_sees_each_baseline():
    judges, labelled = {"judged": WARM, "cold": COLD}, [(name, rgb, (1,)) for name, rgb in PHOTOS]
    tints = {("judged", JUDGED): (0.0, 18.0), ("cold", JUDGED): (-8.0, -12.0)}
    scores = list(score_judged(labelled, judges, (2.0, 3.0), tints, 3))
    by_name = {(s.set, s.baseline, s.metric, s.image): s.value for s in scores}
    assert len(by_name) == len(scores) == 2 * 6 * 3 * len(PHOTOS)
    for set_name, judge in judges.items():
        for name, rgb in PHOTOS:
            constants = {"gray": GRAY, "mean": (2.0, 3.0), "tint": tints[set_name, JUDGED]}
            shown = {baseline: tinted(rgb, color) for baseline, color in constants.items()}
            shown |= {baseline: in_own_colors(rgb, baseline) for baseline in ("quarter_chroma", "eighth_resolution")}
            for baseline, picture in (shown | {"original": rgb}).items():
                expected = probability(judge, picture)
                assert by_name[set_name, baseline, "iter_probability", name] == pytest.approx(expected[1], abs=1e-6)
                assert by_name[set_name, baseline, "iter_correct", name] == float(expected[1] > expected[0])
    only = list(score_judged(labelled, {"judged": WARM}, None, {}, 2))
    assert {s.baseline for s in only} == {"gray", *OF_ORIGINAL}


def test_every_judge_agrees_as_it_does_with_the_colours():
    judges, tints = {"agreement": WARM, "cold_agreement": COLD}, {("cold_agreement", "kl"): (8.0, 18.0)}
    scores = list(score_agreement(PHOTOS, judges, (2.0, 3.0), tints, 3))
    assert {(s.set, s.metric) for s in scores if s.baseline == "tint"} == {("cold_agreement", "kl")}
    by_name = {(s.set, s.baseline, s.image): s.value for s in scores if s.metric == "kl"}
    for name, rgb in PHOTOS:
        shown = {"gray": tinted(rgb, GRAY), "mean": tinted(rgb, (2.0, 3.0)), "original": rgb}
        shown["quarter_chroma"] = in_own_colors(rgb, "quarter_chroma")
        pairs = [(set_name, baseline, picture) for set_name in judges for baseline, picture in shown.items()]
        for set_name, baseline, picture in [*pairs, ("cold_agreement", "tint", tinted(rgb, (8, 18)))]:
            p, q = probability(judges[set_name], rgb), probability(judges[set_name], picture)
            assert by_name[set_name, baseline, name] == pytest.approx((p * np.log(p / q)).sum(), abs=1e-6)


def test_no_judge_is_asked_twice_about_the_same_photographs():
    class Counting(ColorJudge):
        seen = 0

        def probabilities(self, photos):
            self.seen += len(photos)
            return super().probabilities(photos)

    judge = Counting((1, 1))
    tints = {("agreement", metric): (0.0, 6.0) for metric in ("kl", "js")} | {("agreement", "top1"): GRAY}
    list(score_agreement(PHOTOS, {"agreement": judge}, (0.0, 6.0), tints, 2))
    assert judge.seen == 5 * len(PHOTOS), "original, gray, one tint, two ceilings"


def test_figures_have_the_names_that_runs_log_them_by():
    scores = [*score_colors(PHOTOS, (1.5, -2.0), {("val", "psnr"): GRAY}, None)]
    labelled = [(name, rgb, (1,)) for name, rgb in PHOTOS]
    scores += score_judged(labelled, {"judged": WARM, "cold": COLD}, (1.5, -2.0), {}, 2)
    scores += score_agreement(PHOTOS, {"cold_agreement": COLD}, (1.5, -2.0), {}, 2)
    figures = figures_of(pd.DataFrame(scores))
    assert list(figures) == list(TITLES.values())
    assert list(figures["best tint"]) == ["val/psnr"]
    psnr = [peak_signal_noise_ratio(rgb, tinted(rgb, GRAY), data_range=255) for _, rgb in PHOTOS]
    assert figures["gray"]["val/psnr"] == figures["best tint"]["val/psnr"] == pytest.approx(np.mean(psnr))
    assert figures["originals"]["judged/iter_accuracy"] == figures["originals"]["cold/iter_accuracy"] == 1
    assert figures["originals"]["cold_agreement/kl"] == 0
    assert "judged/gap_closed" not in figures["gray"]
