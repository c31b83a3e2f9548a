"""Squared error with dispersion: values and gradients against NumPy, and its limits."""

import numpy as np
import pytest

paddle = pytest.importorskip("paddle")

from oldrestore.batch import Batch, Prediction  # noqa: E402
from oldrestore.losses.dispersion import MseDispersion  # noqa: E402


def random_case(side=6, scale=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal([[[[5.0]], [[-9.0]]]], 12, (2, 2, side, side)).astype(np.float32)
    return x, rng.uniform(-60, 60, (2, 2, scale * side, scale * side)).astype(np.float32)


def evaluate(loss, x, y):
    ab = paddle.to_tensor(y)
    tensor = paddle.to_tensor(x, stop_gradient=False)
    terms = loss.terms(Prediction(ab=tensor), Batch(L_b1hw=paddle.full_like(ab[:, :1], 50.0), ab_b2hw=ab))
    terms["loss"].backward()
    assert all(value.shape == [] and value.dtype == paddle.float32 for value in terms.values())
    return {name: float(value) for name, value in terms.items()}, tensor.grad.numpy()


def reference(x, y, denominator, weight=26.7, epsilon=1e-2):
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
    values, _ = evaluate(MseDispersion(denominator=denominator), x, y)
    mse, dispersion = reference(x, y, denominator)
    assert values["mse"] == pytest.approx(mse, rel=1e-5)
    assert values["dispersion"] == pytest.approx(dispersion, rel=1e-5)
    assert values["loss"] == pytest.approx(mse + dispersion, rel=1e-5)


@both
def test_gradients_against_finite_differences(denominator):
    # So small a spread and so large a weight that the second term weighs as much as the first.
    x, y = random_case(side=2)
    y *= 0.01
    x *= 0.01 if denominator == "n_sum" else 0.1
    weight = 1e3 if denominator == "n_sum" else 26.7
    _, gradient = evaluate(MseDispersion(weight, denominator), x, y)
    for index in np.ndindex(*x.shape):
        values = []
        for offset in (1e-4, -1e-4):
            moved = x.astype(np.float64)
            moved[index] += offset
            values.append(sum(reference(moved, y, denominator, weight)))
        assert gradient[index] == pytest.approx((values[0] - values[1]) / 2e-4, rel=1e-3, abs=1e-5)
    _, plain = evaluate(MseDispersion(0.0, denominator), x, y)
    assert np.abs(gradient - plain).max() > 0.1 * np.abs(plain).max()


def test_what_the_term_is_worth_on_photographs():
    # The figures of the docstring: 16 crops of 64 x 64, standard deviation 10.
    x = np.where(np.arange(16 * 2 * 64 * 64).reshape(16, 2, 64, 64) % 2, 10.0, -10.0).astype(np.float32)
    printed, _ = evaluate(MseDispersion(denominator="n_sum"), x, x)
    computed, _ = evaluate(MseDispersion(denominator="mean"), x, x)
    assert printed["dispersion"] == pytest.approx(1.6e-11, rel=0.05)
    assert computed["dispersion"] == pytest.approx(0.267, rel=1e-3)


@both
def test_a_uniform_prediction_costs_weight_over_epsilon_and_is_not_moved_by_it(denominator):
    x, y = np.full((2, 2, 4, 4), 7.0, np.float32), np.full((2, 2, 4, 4), 7.0, np.float32)
    values, gradient = evaluate(MseDispersion(26.7, denominator, epsilon=0.5), x, y)
    assert values == {"loss": pytest.approx(53.4), "mse": 0.0, "dispersion": pytest.approx(53.4)}
    assert (gradient == 0).all()


def test_a_perfect_prediction_leaves_the_dispersion_alone():
    _, y = random_case()
    values, _ = evaluate(MseDispersion(denominator="mean"), y, y)
    assert values["mse"] == 0.0 and values["loss"] == pytest.approx(reference(y, y, "mean")[1], rel=1e-5)
