"""Metrics of one photograph by hand, in closed form, and against scikit-image."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from oldrestore.color.bins import AB_BINS, nearest_bin
from oldrestore.errors import UserError
from oldrestore.evaluation import metrics
from tests.evaluation import plain_measures


def random_ab(seed, shape=(9, 7)):
    return np.random.default_rng(seed).uniform(-80, 80, size=(*shape, 2)).astype(np.float32)


@pytest.mark.parametrize(("error", "area"), [(0, 150), (1, 149.5), (1.5, 148.5), (150, 0.5), (150.01, 0)])
def test_auc_at_its_edges(error, area):
    score = metrics.auc(np.zeros((1, 1, 2)), np.array([[[0.0, error]]]))
    assert score.value == pytest.approx(area / 150, abs=1e-12)


def rebalanced(predicted, true, prior):
    return metrics.rebalance(*metrics.area_by_bin(predicted, true), prior)


def test_auc_against_the_curve_itself():
    predicted, true = random_ab(0), random_ab(1)
    prior = np.random.default_rng(2).uniform(0.1, 1, 313)
    weights = 1 / prior[nearest_bin(true)]
    assert metrics.auc(predicted, true).value == pytest.approx(plain_measures.auc(predicted, true))
    score = rebalanced(predicted, true, prior)
    assert score == pytest.approx((plain_measures.auc(predicted, true, weights), weights.sum()))
    assert rebalanced(predicted, true, 7 * prior).value == pytest.approx(score.value)


def test_a_prior_without_an_occurring_bin_is_refused():
    with pytest.raises(ValueError, match="smooth it"):
        rebalanced(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), np.zeros(313))


def test_psnr_against_scikit_image():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 16, 20, 3), dtype=np.uint8)
    assert metrics.psnr(a, b, 255) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=255))
    assert metrics.psnr(a / 255, b / 255, 1) == pytest.approx(metrics.psnr(a, b, 255))
    assert metrics.psnr(a, a, 255) == float("inf")
    # One level off everywhere: 20 log10(255).
    flat = np.full((4, 4, 3), 7, np.uint8)
    assert metrics.psnr(flat + 1, flat, 255) == pytest.approx(48.1308, abs=1e-4)


def test_ssim_refuses_photographs_smaller_than_its_window():
    with pytest.raises(UserError, match="10 x 12"):
        metrics.ssim(np.zeros((12, 10, 3), np.uint8), np.zeros((12, 10, 3), np.uint8), 255)


def test_bin_accuracy_by_hand():
    # The network predicts 2 x 2 for a photograph of 4 x 4: rows and columns 0 and 2 are the truth.
    bins = np.array([[10, 20], [30, 40]])
    true = np.full((4, 4, 2), 200.0)
    true[::2, ::2] = AB_BINS[bins]
    top = np.stack([[[10, 0], [0, 40]], [[0, 20], [0, 0]], [[1, 1], [1, 1]], [[1, 1], [1, 1]], [[1, 1], [30, 1]]], -1)
    assert metrics.bin_accuracy(top, true, 1) == (0.5, 4)
    assert metrics.bin_accuracy(top, true, 4) == (0.75, 4)
    assert metrics.bin_accuracy(top, true, 5) == (1.0, 4)


def test_share_nearer_by_hand():
    ours, gray = np.array([[0.0, 3.0], [2.0, 5.0]]), np.array([[1.0, 3.0], [1.0, 6.0]])
    assert metrics.share_nearer(ours, gray) == (2 + 0.5) / 4


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        metrics.psnr(np.zeros((4, 4, 3)), np.zeros((4, 5, 3)), 255)
