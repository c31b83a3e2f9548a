"""Squared error with dispersion: values and gradients against NumPy, and its limits."""

import numpy as np
import pytest

from oldrestore.losses.dispersion import MseDispersion
from tests.losses import reference


def random_case(side=6, scale=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal([[[[5.0]], [[-9.0]]]], 12, (2, 2, side, side)).astype(np.float32)
    return x, rng.uniform(-60, 60, (2, 2, scale * side, scale * side)).astype(np.float32)


def formula(x, y, denominator, weight=26.7, epsilon=1e-2):
    """The formulas as they are printed, in float64: mean squared error and dispersion."""
    x, y = x.astype(np.float64), y[:, :, :: y.shape[2] // x.shape[2], :: y.shape[3] // x.shape[3]].astype(np.float64)
    n = x.size
    total = ((x - x.mean()) ** 2).sum()
    spread = n * total if denominator == "n_sum" else total / n
    return ((x - y) ** 2).mean(), weight / (spread + epsilon)


both = pytest.mark.parametrize("denominator", ["n_sum", "mean"])


@both
@pytest.mark.parametrize("scale", [1, 4])
def test_values_against_float64(denominator, scale):
    x, y = random_case(scale=scale)
    mse, dispersion = formula(x, y, denominator)
    expected = {"loss": mse + dispersion, "mse": mse, "dispersion": dispersion}
    values, _ = reference.terms(MseDispersion(denominator=denominator), reference.make_batch(y), ab=x)
    assert values == pytest.approx(expected, rel=1e-5, abs=0)


@both
def test_gradients_against_finite_differences(denominator):
    # So small a spread and so large a weight that the second term weighs as much as the first.
    x, y = random_case(side=2)
    y *= 0.01
    x *= 0.01 if denominator == "n_sum" else 0.1
    weight = 1e3 if denominator == "n_sum" else 26.7
    batch = reference.make_batch(y)
    loss = MseDispersion(weight, denominator)
    reference.check(loss, x, batch, lambda given: sum(formula(given, y, denominator, weight)), points=32)
    (_, gradient), (_, plain) = (reference.evaluate(one, x, batch) for one in (loss, MseDispersion(0.0, denominator)))
    assert np.abs(gradient - plain).max() > 0.1 * np.abs(plain).max()


@both
def test_a_uniform_prediction_costs_weight_over_epsilon_and_is_not_moved_by_it(denominator):
    x = np.full((2, 2, 4, 4), 7.0, np.float32)
    loss = MseDispersion(26.7, denominator, epsilon=0.5)
    values, gradients = reference.terms(loss, reference.make_batch(x), ab=x)
    assert values == {"loss": pytest.approx(53.4), "mse": 0.0, "dispersion": pytest.approx(53.4)}
    assert (gradients["ab"] == 0).all()
