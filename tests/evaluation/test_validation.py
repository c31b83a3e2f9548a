"""Scores of a colorizer on a set: perfect, gray, under another prior, and what is refused."""

import numpy as np
import pytest

from oldrestore.color.bins import nearest_bin
from oldrestore.errors import UserError
from oldrestore.evaluation import metrics
from oldrestore.evaluation.prediction import ColorPrediction, recolor
from oldrestore.evaluation.validation import measure_photos, summarize_validation
from tests.evaluation.shared import gray, knowing


def score_validation(predict, photos, prior=None, **settings):
    return summarize_validation(measure_photos(predict, photos, **settings), prior)


def photographs():
    rng = np.random.default_rng(0)
    return [(f"folder/{i}.png", rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for i in range(5)]


def with_bins(ab):
    bins = nearest_bin(ab[::4, ::4])
    return ColorPrediction(ab, np.stack([bins] + [np.zeros_like(bins)] * 4, -1))


def test_a_perfect_colorizer():
    perfect = knowing([rgb for _, rgb in photographs()], with_bins)
    result = score_validation(perfect, iter(photographs()), batch_size=2)
    original = np.mean([metrics.colorfulness(photo) for _, photo in photographs()])
    expected = {"psnr": 100.0, "ssim": 1.0, "ab_rmse": 0.0}  # infinite PSNR, capped
    expected |= dict.fromkeys(("auc", "auc_rebalanced"), 1.0)
    expected |= {"de2000": 0.0, "de2000_p95": 0.0, "nearer_than_gray": 1.0}
    expected |= dict.fromkeys(("bin_top1", "bin_top5"), 1.0)
    expected |= {"colorfulness": original, "colorfulness_original": original, "colorfulness_difference": 0.0}
    assert result.summary == pytest.approx(expected)
    rows = [(name, metric) for name, _ in photographs() for metric in expected]
    assert [(score.image, score.metric) for score in result.per_image] == rows


def test_a_given_prior_changes_only_the_rebalanced_auc():
    uniform = np.full(313, 1 / 313)
    own, given = score_validation(gray, photographs()), score_validation(gray, photographs(), prior=uniform)
    assert "bin_top1" not in own.summary
    assert given.summary["auc_rebalanced"] == pytest.approx(given.summary["auc"])
    changed = {name for name in own.summary if own.summary[name] != given.summary[name]}
    assert changed == {"auc_rebalanced"}


def test_gray_is_as_near_to_the_truth_as_gray():
    scores = [score for score in score_validation(gray, photographs()).per_image if score.metric == "nearer_than_gray"]
    assert [score.value for score in scores] == [0.5] * len(photographs())


def test_batches_change_no_score():
    one, all_together = (score_validation(gray, photographs(), batch_size=size).per_image for size in (1, 8))
    assert one == all_together


def test_bad_input():
    with pytest.raises(UserError, match="no photographs"):
        score_validation(gray, [])
    with pytest.raises(ValueError, match="same name"):
        score_validation(gray, [photographs()[0]] * 2)
    with pytest.raises(ValueError, match="does not fit"):
        score_validation(lambda batch: [ColorPrediction(np.zeros((4, 4, 2))) for _ in batch], photographs())
    with pytest.raises(ValueError, match="not finite"):
        recolor(np.zeros((4, 4)), np.full((4, 4, 2), np.nan))
