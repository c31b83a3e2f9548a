"""What a learning-rate range test reads from its losses, against NumPy and against a problem whose limit is known."""

import math

import numpy as np
import pytest

from oldrestore.training.range_test import RangeTestReading
from oldrestore.training.schedules import RangeTest


def reading_of(losses, **settings) -> RangeTestReading:
    test = RangeTest(learning_rate=0.1, iterations=max(20, len(losses)), **settings)
    reading = RangeTestReading(test)
    for iteration, loss in enumerate(losses):
        reading.add(0.1 * test(iteration), loss)
    return reading


def test_the_rate_grows_by_the_same_factor_from_one_end_to_the_other():
    test = RangeTest(learning_rate=0.02, iterations=51, lowest=1e-5, highest=0.1, warmup=10)
    rates = [0.02 * test(iteration) for iteration in range(51)]
    assert rates == pytest.approx(np.geomspace(1e-5, 0.1, 51))


def test_an_empty_range_is_refused(refusal):
    node = {"lowest": 0.1, "highest": 0.01}
    assert refusal(RangeTest.check_together, node, "schedule").startswith("schedule.lowest = 0.1 must be less than")


def test_losses_are_smoothed_by_a_moving_average_that_starts_unbiased():
    losses = np.sin(np.arange(30)) + 2
    smoothed = reading_of(losses, smoothing=0.8).smoothed
    for last in range(30):
        weights = 0.8 ** np.arange(last, -1, -1)
        assert smoothed[last] == pytest.approx((weights * losses[: last + 1]).sum() / weights.sum())


def test_the_suggestion_is_where_the_loss_falls_fastest_but_at_most_a_tenth_of_where_it_is_lowest():
    # Flat, then down by 1 at a step, and by 3 at steps 30 to 32, then flat, then up; 83 steps, so that a tenth is 8.
    slopes = [0] * 20 + [1] * 10 + [3] * 3 + [0.1] * 40 + [-1] * 10
    losses = 60 - np.cumsum(slopes)
    reading = reading_of(losses, smoothing=0.0)
    assert (reading.at_steepest, reading.at_lowest) == (28, 72)
    assert reading.suggestion == reading.rates[28] < reading.rates[72] / 10
    near = reading_of(losses[:34], smoothing=0.0, lowest=0.01)
    assert near.suggestion == pytest.approx(near.rates[33] / 10)
    assert "still falls at" in near.in_words() and "raise schedule.highest" in near.in_words()


@pytest.mark.parametrize("curvature", [1.0, 40.0])
def test_gradient_descent_on_a_parabola_diverges_above_its_limit_and_the_suggestion_is_below(curvature):
    """It converges below a rate of 2 / curvature, and grows by |1 - rate x curvature| a step above."""
    test = RangeTest(learning_rate=1.0, iterations=200, lowest=1e-5, highest=100.0)
    reading, w = RangeTestReading(test), 1.0
    for iteration in range(200):
        reading.add(test(iteration), curvature * w**2 / 2)
        w -= test(iteration) * curvature * w
        if reading.diverged_at is not None:
            break
    limit = 2 / curvature
    assert reading.diverged_at > limit > 10 * reading.suggestion > limit / 100
    assert f"diverges at {reading.diverged_at:.2g}" in reading.in_words()


@pytest.mark.parametrize("end", [math.nan, math.inf, 9.0])
def test_it_ends_when_the_loss_diverges_but_not_in_the_first_steps(end):
    reading = reading_of([2.0, 9.0, *[2.0] * 8], smoothing=0.0)
    assert reading.diverged_at is None
    reading.add(0.5, end)
    assert reading.diverged_at == 0.5


def test_a_loss_that_becomes_nan_is_not_called_a_divergence():
    falling = [*np.linspace(3, 1, 25), math.nan]
    reading = reading_of(falling)
    assert reading.became_nan and reading.suggestion is not None
    words = reading.in_words()
    assert f"and became NaN at {reading.rates[-1]:.2g}: if the learning rate is not the reason, " in words
    assert "diverges" not in words
    assert not reading_of([*falling[:-1], math.inf]).became_nan
    words = reading_of([*np.linspace(1, 3, 25), math.nan]).in_words()
    assert words.startswith("no suggestion: the loss never falls, and became NaN at ") and "diverges" not in words


def test_a_loss_that_never_falls_suggests_nothing():
    reading = reading_of(np.linspace(1, 3, 25))
    assert reading.suggestion is None
    assert reading.in_words().startswith("no suggestion: the loss never falls")
