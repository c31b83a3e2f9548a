"""Divergence of hue and chroma histograms: values and gradients against NumPy, limits, positions."""

import math

import numpy as np
import paddle
import pytest
from scipy.special import log_softmax

from oldrestore.color.hue_chroma_paddle import CHROMA_LIMIT
from oldrestore.losses.histogram import HueChromaDivergence
from tests.color.plain_color import to_hue_chroma, window_histograms
from tests.losses import reference

STEP = CHROMA_LIMIT / 31


def random_case(side=8, step=1, bins=32, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (2, 3, bins, side // step, side // step)).astype(np.float32)
    return logits[0], logits[1], rng.uniform(-70, 70, (3, 2, side, side)).astype(np.float32)


def evaluate(loss, hue, chroma, batch):
    values, gradients = reference.terms(loss, batch, hue_logits=hue, chroma_logits=chroma)
    return values, gradients["hue_logits"], gradients["chroma_logits"]


def of_pixels(z_hwq, target):
    """Divergence of each pixel in float64."""
    log_p = log_softmax(z_hwq.astype(np.float64), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(target > 0, target * (np.log(target) - log_p), 0.0).sum(axis=-1)


def formula(hue, chroma, ab, lambda_hue, window, step=1):
    """The definition: the two terms."""
    terms, count = {"hue": 0.0, "chroma": 0.0}, 0
    for photo in range(len(ab)):
        if np.abs(ab[photo]).max() <= 5.0:
            continue
        colors = ab[photo].transpose(1, 2, 0).astype(np.float64)
        hues, chromas = (h[::step, ::step] for h in window_histograms(colors, window, hue.shape[1]))
        share = to_hue_chroma(colors[::step, ::step])[1] / CHROMA_LIMIT
        terms["hue"] += (lambda_hue * share * of_pixels(hue[photo].transpose(1, 2, 0), hues)).sum()
        terms["chroma"] += of_pixels(chroma[photo].transpose(1, 2, 0), chromas).sum()
        count += share.size
    return {name: value / count for name, value in terms.items()}


@pytest.mark.parametrize("window", [1, 7])
@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("lambda_hue", [5.0, 0.3])
def test_values_against_float64(window, step, lambda_hue):
    hue, chroma, ab = random_case(step=step)
    ab[1] *= 0.05  # a gray photograph: left out
    values, hue_gradient, _ = evaluate(HueChromaDivergence(lambda_hue, window), hue, chroma, reference.make_batch(ab))
    expected = formula(hue, chroma, ab, lambda_hue, window, step)
    assert values == pytest.approx(expected | {"loss": sum(expected.values())}, rel=1e-5)
    assert (hue_gradient[1] == 0).all() and (hue_gradient[0] != 0).any()


def test_gradients_against_finite_differences():
    hue, chroma, ab = random_case(side=4, bins=6, seed=1)
    _, hue_gradient, chroma_gradient = evaluate(HueChromaDivergence(window=3), hue, chroma, reference.make_batch(ab))
    for name, logits, gradient in (("hue", hue, hue_gradient), ("chroma", chroma, chroma_gradient)):
        of = (lambda z: formula(z, chroma, ab, 5.0, 3)) if name == "hue" else (lambda z: formula(hue, z, ab, 5.0, 3))
        for index in np.ndindex(2, 6, 2, 2):
            slope = reference.slope(lambda z, of=of: sum(of(z).values()), logits, index)
            assert gradient[index] == pytest.approx(slope, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("constant", [0.0, 1000.0])
@pytest.mark.parametrize("window", [1, 7])
def test_uniform_logits_against_one_bin_give_ln_32(window, constant):
    logits = np.full((2, 32, 8, 8), constant, np.float32)
    ab = np.broadcast_to(np.array([-20 * STEP, 0.0])[None, :, None, None], (2, 2, 8, 8))  # hue 16, chroma 20
    values, _, _ = evaluate(HueChromaDivergence(window=window), logits, logits, reference.make_batch(ab))
    assert values["chroma"] == pytest.approx(math.log(32), abs=2e-4)
    assert values["hue"] == pytest.approx(5 * (20 / 31) * math.log(32), abs=1e-3)


def test_a_prediction_equal_to_its_target_costs_nothing_and_has_no_gradient():
    _, _, ab = random_case()
    histograms = [window_histograms(photo.transpose(1, 2, 0)) for photo in ab]
    logits = [
        np.log(np.stack(h).transpose(0, 3, 1, 2) + 1e-30).astype(np.float32) for h in zip(*histograms, strict=True)
    ]
    values, hue_gradient, chroma_gradient = evaluate(HueChromaDivergence(), *logits, reference.make_batch(ab))
    assert values["loss"] == pytest.approx(0.0, abs=1e-5)
    assert max(np.abs(hue_gradient).max(), np.abs(chroma_gradient).max()) < 1e-6


def test_a_prediction_at_positions_is_compared_there():
    hue, chroma, ab = random_case()
    positions = np.random.default_rng(2).integers(0, 8, (3, 20, 2))
    rows, columns = positions[..., 0], positions[..., 1]
    sparse = [np.stack([x[i][:, rows[i], columns[i]] for i in range(3)])[:, :, None] for x in (hue, chroma)]
    values, _, _ = evaluate(
        HueChromaDivergence(), *sparse, reference.make_batch(ab, positions_bn2=paddle.to_tensor(positions))
    )
    # A photograph of 1 x N pixels would have other windows, so each pixel is taken from the whole.
    expected = 0.0
    for i, photo in enumerate(ab):
        colors = photo.transpose(1, 2, 0).astype(np.float64)
        share = to_hue_chroma(colors)[1] / CHROMA_LIMIT
        for target, z, weight in zip(window_histograms(colors), sparse, (5 * share, np.ones_like(share)), strict=True):
            expected += weight[rows[i], columns[i]] @ of_pixels(z[i, :, 0].T, target[rows[i], columns[i]])
    assert values["loss"] == pytest.approx(expected / 60, rel=1e-5)


def test_a_dense_prediction_is_compared_everywhere_though_the_batch_has_positions():
    hue, chroma, ab = random_case()
    positions = np.zeros((3, 20, 2), np.int64)
    with_positions, _, _ = evaluate(
        HueChromaDivergence(), hue, chroma, reference.make_batch(ab, positions_bn2=paddle.to_tensor(positions))
    )
    without, _, _ = evaluate(HueChromaDivergence(), hue, chroma, reference.make_batch(ab))
    assert with_positions == without


def test_a_batch_of_gray_photographs_gives_zero():
    hue, chroma, ab = random_case()
    values, hue_gradient, _ = evaluate(HueChromaDivergence(), hue, chroma, reference.make_batch(ab * 0.01))
    assert values["loss"] == 0.0 and (hue_gradient == 0.0).all()
