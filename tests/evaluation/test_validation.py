import numpy as np
import pytest

from oldrestore.color.lab import rgb_to_lab
from oldrestore.color.prior import count_bins, smooth_prior
from oldrestore.errors import UserError
from oldrestore.evaluation import metrics
from oldrestore.evaluation.prediction import ColorPrediction, recolor
from oldrestore.evaluation.validation import measure_photos, summarize_validation

METRICS = (
    "psnr",
    "ssim",
    "ab_rmse",
    "auc",
    "auc_rebalanced",
    "bin_top1",
    "bin_top5",
    "colorfulness",
    "colorfulness_original",
    "colorfulness_difference",
)


def score_validation(predict, photos, prior=None, **settings):
    return summarize_validation(measure_photos(predict, photos, **settings), prior)


def photographs():
    rng = np.random.default_rng(0)
    return [(f"folder/{i}.png", rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for i in range(5)]


def perfect(photos):
    """A colorizer that knows the answers."""
    answers = {rgb_to_lab(photo)[..., 0].tobytes(): rgb_to_lab(photo)[..., 1:] for _, photo in photos}

    def colorize(batch):
        predictions = []
        for L in batch:
            ab = answers[L.tobytes()]
            bins = metrics.nearest_bin(ab[::4, ::4])
            predictions.append(ColorPrediction(ab, np.stack([bins] + [np.zeros_like(bins)] * 4, -1)))
        return predictions

    return colorize


def gray(batch):
    return [ColorPrediction(np.zeros((*L.shape, 2), np.float32)) for L in batch]


def test_a_perfect_colorizer():
    result = score_validation(perfect(photographs()), iter(photographs()), batch_size=2)
    assert tuple(result.summary) == METRICS
    original = np.mean([metrics.colorfulness(photo) for _, photo in photographs()])
    expected = {
        "psnr": 100.0,  # infinite, capped
        "ssim": 1.0,
        "ab_rmse": 0.0,
        "auc": 1.0,
        "auc_rebalanced": 1.0,
        "bin_top1": 1.0,
        "bin_top5": 1.0,
        "colorfulness": original,
        "colorfulness_original": original,
        "colorfulness_difference": 0.0,
    }
    assert result.summary == pytest.approx(expected)
    assert result.n == 5
    assert [score.metric for score in result.per_image] == [*METRICS] * 5
    assert [score.image for score in result.per_image[:: len(METRICS)]] == [name for name, _ in photographs()]


def test_a_gray_colorizer_pools_pixels_as_the_paper_does():
    photos = photographs()
    result = score_validation(gray, photos, batch_size=3)
    assert "bin_top1" not in result.summary
    ab = np.concatenate([rgb_to_lab(photo)[..., 1:].reshape(-1, 2) for _, photo in photos])
    zeros = np.zeros_like(ab)
    prior = smooth_prior(count_bins(ab))
    np.testing.assert_allclose(result.prior, prior)
    assert result.summary["auc"] == pytest.approx(metrics.auc(zeros, ab).value)
    assert result.summary["auc_rebalanced"] == pytest.approx(metrics.auc_rebalanced(zeros, ab, prior).value)
    psnr = [metrics.psnr(recolor(rgb_to_lab(p)[..., 0], np.zeros((16, 16, 2))), p, 255) for _, p in photos]
    assert result.summary["psnr"] == pytest.approx(np.mean(psnr))
    assert result.summary["colorfulness_difference"] == pytest.approx(
        result.summary["colorfulness_original"] - result.summary["colorfulness"]
    )


def test_a_given_prior_changes_only_the_rebalanced_auc():
    uniform = np.full(313, 1 / 313)
    own, given = score_validation(gray, photographs()), score_validation(gray, photographs(), prior=uniform)
    assert given.summary["auc_rebalanced"] == pytest.approx(given.summary["auc"])
    changed = {name for name in own.summary if own.summary[name] != given.summary[name]}
    assert changed == {"auc_rebalanced"}


def test_neither_batches_nor_progress_change_a_score():
    seen = []
    one = score_validation(gray, photographs(), batch_size=1, progress=seen.append)
    assert seen == [1, 2, 3, 4, 5]
    assert one.per_image == score_validation(gray, photographs(), batch_size=8).per_image


def test_the_prior_is_that_of_the_photographs_unless_one_is_given():
    prior = smooth_prior(sum(count_bins(rgb_to_lab(photo)[..., 1:]) for _, photo in photographs()), sigma=5.0)
    np.testing.assert_allclose(score_validation(gray, photographs()).prior, prior)
    assert prior.sum() == pytest.approx(1)


def test_bad_input():
    with pytest.raises(UserError, match="no photographs"):
        score_validation(gray, [])
    with pytest.raises(ValueError, match="same name"):
        score_validation(gray, [photographs()[0]] * 2)
    with pytest.raises(ValueError, match="does not fit"):
        score_validation(lambda batch: [ColorPrediction(np.zeros((4, 4, 2))) for _ in batch], photographs())
    with pytest.raises(ValueError, match="not finite"):
        recolor(np.zeros((4, 4)), np.full((4, 4, 2), np.nan))
