"""Squared earth mover's and expected distance over the 313 bins: against dense float64 computations, and limits."""

import numpy as np
import pytest

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS, nearest_bin
from oldrestore.losses.earth_mover import SquaredEarthMover
from oldrestore.losses.expected_distance import ExpectedAbDistance
from tests.losses import reference
from tests.losses.reference import BINS, value_of
from tests.models.plain_layers import softmax


def one_colour(a, b):
    return np.broadcast_to(np.reshape([a, b], (1, 2, 1, 1)), (1, 2, 2, 2))


def sure_of(a, b):
    logits = np.zeros((1, NUMBER_OF_BINS, 2, 2))
    logits[:, nearest_bin(np.array([a, b]))] = 1e4
    return logits


def dense_target(truth, neighbours, sigma):
    """Target of every bin (B, 313, h, w)."""
    return np.apply_along_axis(lambda ab: reference.dense_target(ab, neighbours, sigma, None)[0], 1, truth)


def squared_emd(p, t):
    """Differences of cumulative histograms along a and along b, value by value of each."""
    total = 0.0
    for axis in (0, 1):
        marginal = np.stack([(p - t)[:, BINS[:, axis] == v].sum(1) for v in np.unique(BINS[:, axis])], axis=1)
        total = total + (np.cumsum(marginal, axis=1) ** 2).sum(axis=1)
    return total.mean()


@pytest.mark.parametrize(("neighbours", "sigma"), [(1, 5.0), (10, 5.0), (5, 20.0)])
def test_squared_emd_against_float64(neighbours, sigma):
    logits, truth = reference.of_bins()
    target = dense_target(truth[:, :, ::2, ::2], neighbours, sigma)
    loss = SquaredEarthMover(neighbours, sigma)
    reference.check(loss, logits, reference.make_batch(truth), lambda z: squared_emd(softmax(z), target))


@pytest.mark.parametrize("scale", [110.0, 1.0])
def test_expected_distance_against_float64(scale):
    logits, truth = reference.of_bins()
    small = truth[:, :, ::2, ::2].astype(np.float64)
    distance = np.linalg.norm(BINS[None, :, :, None, None] - small[:, None], axis=2)
    reference.check(
        ExpectedAbDistance(scale),
        logits,
        reference.make_batch(truth),
        lambda z: (softmax(z) * distance).sum(axis=1).mean() / scale,
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
    value = value_of(SquaredEarthMover(neighbours=1), sure_of(*predicted), one_colour(*true))
    assert value == pytest.approx(steps, abs=1e-6)


def test_a_perfect_prediction_costs_nothing():
    assert value_of(ExpectedAbDistance(), sure_of(*AB_BINS[123]), one_colour(*AB_BINS[123])) == pytest.approx(
        0.0, abs=1e-6
    )
    _, truth = reference.of_bins()
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(dense_target(truth, 10, 5.0)), -1e3)
    assert value_of(SquaredEarthMover(), logits, truth) == pytest.approx(0, abs=1e-9)
