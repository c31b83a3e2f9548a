"""Squared earth mover's and expected distance over the 313 bins: against dense float64 computations, and limits."""

from __future__ import annotations

import numpy as np
import pytest

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.losses.earth_mover import SquaredEarthMover, cumulating_rows
from oldrestore.losses.expected_distance import ExpectedAbDistance
from tests.color.plain_color import soft_encode
from tests.losses import reference

# Mixed precision is a GPU's: on a CPU Paddle warns that it takes no notice.
pytestmark = pytest.mark.filterwarnings("ignore:amp_guard")

BINS = AB_BINS.astype(np.float64)
LOSSES = [SquaredEarthMover, ExpectedAbDistance]


def case(number=2, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (number, NUMBER_OF_BINS, 3, 2)).astype(np.float32)
    return logits, rng.uniform(-60, 60, (number, 2, 6, 4)).astype(np.float32)


def index(a, b):
    (found,) = np.flatnonzero(np.all([a, b] == AB_BINS, axis=1))
    return found


def one_colour(a, b, side=2):
    return np.broadcast_to(np.reshape([a, b], (1, 2, 1, 1)), (1, 2, side, side)).astype(np.float32)


def sure_of(bin_index, side=2, how=1e4):
    logits = np.zeros((1, NUMBER_OF_BINS, side, side))
    logits[:, bin_index] = how
    return logits


def dense_target(truth, neighbours, sigma):
    """Target of every bin (B, 313, h, w), by sorting all 313 distances."""
    squared = ((truth[:, None].astype(np.float64) - BINS[None, :, :, None, None]) ** 2).sum(axis=2)
    order = np.argsort(squared, axis=1, kind="stable")[:, :neighbours]
    weights = np.exp(-np.take_along_axis(squared, order, 1) / (2 * sigma**2))
    target = np.zeros_like(squared)
    np.put_along_axis(target, order, weights / weights.sum(axis=1, keepdims=True), 1)
    return target


def squared_emd(p, t):
    """Differences of cumulative histograms along a and along b, value by value of each."""
    total = 0.0
    for axis in (0, 1):
        marginal = np.stack([(p - t)[:, BINS[:, axis] == v].sum(1) for v in np.unique(BINS[:, axis])], axis=1)
        total = total + (np.cumsum(marginal, axis=1) ** 2).sum(axis=1)
    return total.mean()


@pytest.mark.parametrize(("neighbours", "sigma"), [(1, 5.0), (10, 5.0), (5, 20.0)])
def test_squared_emd_against_float64(neighbours, sigma):
    logits, truth = case()
    target = dense_target(truth[:, :, ::2, ::2], neighbours, sigma)
    loss = SquaredEarthMover(neighbours, sigma)
    reference.check(loss, logits, reference.make_batch(truth), lambda z: squared_emd(reference.softmax(z), target))


@pytest.mark.parametrize("scale", [110.0, 1.0])
def test_expected_distance_against_float64(scale):
    logits, truth = case()
    small = truth[:, :, ::2, ::2].astype(np.float64)
    distance = np.linalg.norm(BINS[None, :, :, None, None] - small[:, None], axis=2)
    reference.check(
        ExpectedAbDistance(scale),
        logits,
        reference.make_batch(truth),
        lambda z: (reference.softmax(z) * distance).sum(axis=1).mean() / scale,
    )


@pytest.mark.parametrize(
    ("predicted", "true", "steps"),
    [
        ((0, 0), (0, 0), 0),
        ((0, 0), (10, 0), 1),
        ((0, 0), (0, -30), 3),
        ((-20, 50), (30, 10), 9),
        ((50, -100), (-80, 90), 32),
    ],
)
def test_squared_emd_of_two_colours_is_their_distance_in_bins(predicted, true, steps):
    value, _ = reference.evaluate(
        SquaredEarthMover(neighbours=1), sure_of(index(*predicted)), reference.make_batch(one_colour(*true))
    )
    assert value == pytest.approx(steps, abs=1e-6)


@pytest.mark.parametrize(("predicted", "true"), [((0, 0), (0, 8)), ((0, 0), (30, -40)), ((-20, 50), (31, 12))])
def test_expected_distance_of_a_sure_prediction_is_the_distance(predicted, true):
    value, _ = reference.evaluate(
        ExpectedAbDistance(scale=1.0), sure_of(index(*predicted)), reference.make_batch(one_colour(*true))
    )
    assert value == pytest.approx(np.hypot(*np.subtract(predicted, true)), rel=1e-6)


def test_a_perfect_prediction_costs_nothing():
    truth = one_colour(*AB_BINS[123])
    batch = reference.make_batch(truth)
    assert reference.evaluate(ExpectedAbDistance(), sure_of(123), batch)[0] == pytest.approx(0.0, abs=1e-6)
    _, truth = case()
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(dense_target(truth, 10, 5.0)), -1e3)
    assert reference.evaluate(SquaredEarthMover(), logits, reference.make_batch(truth))[0] == pytest.approx(0, abs=1e-9)


def test_uniform_logits():
    # From the grid alone: shares of the bins with at most each a, and with at most each b.
    truth = one_colour(0, 0)
    p = np.full((1, NUMBER_OF_BINS, 2, 2), 1 / NUMBER_OF_BINS)
    batch = reference.make_batch(truth)
    options = {"gray_threshold": None}
    uniform = np.full(p.shape, 7.0)
    value, _ = reference.evaluate(SquaredEarthMover(neighbours=1, **options), uniform, batch)
    assert value == pytest.approx(squared_emd(p, dense_target(truth, 1, 5.0)), rel=1e-5)
    value, _ = reference.evaluate(ExpectedAbDistance(scale=1.0, **options), uniform, batch)
    assert value == pytest.approx(np.linalg.norm(BINS, axis=1).mean(), rel=1e-5)


def test_the_rows_are_the_grid_s():
    rows = cumulating_rows()
    assert rows.shape == (42, NUMBER_OF_BINS)
    assert (rows[[19, 41]] == 1).all()
    assert rows[0].sum() == 5 and rows[20].sum() == 4  # the bins at a = -90, and those at b = -110
    np.testing.assert_array_equal(np.diff(rows[:20].sum(axis=1)).astype(int)[:3], [8, 10, 12])


def test_the_soft_target_is_the_classification_s():
    _, truth = case()
    indices, weights = soft_encode(truth.transpose(0, 2, 3, 1), 10, 5.0)
    target = dense_target(truth, 10, 5.0).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(np.take_along_axis(target, indices, -1), weights, atol=1e-6)


@pytest.mark.parametrize("make", LOSSES)
def test_a_batch_is_the_mean_of_its_photographs(make):
    logits, truth = case(number=3)
    reference.check_parts(make(), logits, truth)


@pytest.mark.parametrize("make", LOSSES)
def test_gray_photographs_are_left_out(make):
    logits, truth = case()
    truth[0] = 3.0
    value, gradient = reference.evaluate(make(), logits, reference.make_batch(truth))
    assert value == pytest.approx(reference.evaluate(make(), logits[1:], reference.make_batch(truth[1:]))[0], rel=1e-6)
    assert (gradient[0] == 0).all() and (gradient[1] != 0).any()
    value, gradient = reference.evaluate(make(), logits, reference.make_batch(truth * 0.01))
    assert value == 0.0 and (gradient == 0.0).all()
    everything = reference.evaluate(make(gray_threshold=None), logits, reference.make_batch(truth))[1]
    assert (everything[0] != 0).any()


@pytest.mark.parametrize("make", LOSSES)
def test_extreme_logits_and_half_precision(make):
    logits, truth = case()
    batch = reference.make_batch(truth)
    value, gradient = reference.evaluate(make(), np.sign(logits) * 1e4, batch)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    reference.check_half_precision(make(), logits, batch)
