"""The annealed mean of both class sets, the 313 bins and the 529 squares, against float64 and by hand."""

import numpy as np
import paddle
import pytest

from oldrestore.color.bins import AB_BINS
from oldrestore.color.decoding_paddle import annealed_mean_nchw
from oldrestore.color.grid_paddle import GRID_AB
from tests.color.plain_color import decode_with_paddle


@pytest.mark.parametrize(("temperature", "tolerance"), [(0.05, 1e-3), (0.38, 2e-4), (1.0, 2e-4), (1.3, 2e-4)])
@pytest.mark.parametrize("centres", [AB_BINS, GRID_AB])
def test_against_float64(centres, temperature, tolerance):
    """However the sums are taken: as products with a matrix they differ from Paddle's own by 1.2e-4 at most."""
    logits = np.random.default_rng(0).normal(0, 3, (2, len(centres), 12, 12)).astype(np.float32)
    scores = logits.astype(np.float64) / temperature
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = np.einsum("bqhw,qc->bchw", probabilities, centres.astype(np.float64))
    expected /= probabilities.sum(axis=1)[:, None]
    ab = annealed_mean_nchw(paddle.to_tensor(logits), temperature, centres).numpy()
    np.testing.assert_allclose(ab, expected, atol=tolerance, rtol=0)
    mode = annealed_mean_nchw(paddle.to_tensor(logits), 0.0, centres).numpy()
    np.testing.assert_array_equal(mode.transpose(0, 2, 3, 1), centres[logits.argmax(axis=1)])
    with pytest.raises(ValueError, match=f"{len(centres)}, h, w"):
        annealed_mean_nchw(paddle.zeros([1, 300, 2, 2]), temperature, centres)


def test_two_bins_by_hand():
    # p = (0.8, 0.2) annealed at T = 0.5 is p^2 normalised: (16/17, 1/17).
    logits = np.full((1, 313), -np.inf)
    logits[0, [10, 200]] = np.log([0.8, 0.2])
    for temperature, share in ((1.0, 0.8), (0.5, 16 / 17)):
        expected = share * AB_BINS[10] + (1 - share) * AB_BINS[200]
        np.testing.assert_allclose(decode_with_paddle(logits, temperature)[0], expected, atol=1e-3)


def test_small_temperatures_approach_the_mode_and_of_equal_bins_it_is_the_first():
    logits = np.random.default_rng(1).normal(size=(20, 313))
    np.testing.assert_allclose(decode_with_paddle(logits, 1e-6), AB_BINS[logits.argmax(axis=1)], atol=1e-3)
    assert decode_with_paddle(np.zeros((1, 313)), 0.0).tolist() == [[-90, 50]]


@pytest.mark.parametrize("temperature", [1e-300, 1e-6, 0.38, 1.0])
def test_extreme_logits_stay_finite(temperature):
    logits = np.zeros((4, 313), np.float32)
    logits[1:] = np.array([-3e38, -np.inf, -1e30])[:, None]
    logits[:, 7] = [3e38, 3e38, 0.0, -9e29]
    np.testing.assert_allclose(decode_with_paddle(logits, temperature), np.tile(AB_BINS[7], (4, 1)), atol=1e-3)


def test_the_gradient_is_that_of_an_expectation():
    logits = np.random.default_rng(2).normal(size=(1, 313, 1, 1)).astype(np.float32)
    tensor = paddle.to_tensor(logits, stop_gradient=False)
    annealed_mean_nchw(tensor, 0.5)[:, 0].sum().backward()
    scores = logits[0, :, 0, 0].astype(np.float64) / 0.5
    p = np.exp(scores - scores.max())
    p /= p.sum()
    # d E[c] / d z_q = p_q (c_q - E[c]) / T
    expected = p * (AB_BINS[:, 0] - p @ AB_BINS[:, 0]) / 0.5
    np.testing.assert_allclose(tensor.grad.numpy()[0, :, 0, 0], expected, atol=1e-5)
