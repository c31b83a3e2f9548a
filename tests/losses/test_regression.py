"""L1, L2 and smooth-L1 of ab or of the annealed mean of logits, and the cross-entropy over 529 squares."""

import math

import numpy as np
import paddle
import pytest

from oldrestore.batch import Prediction
from oldrestore.color.grid_paddle import GRID_AB
from oldrestore.config.build import build
from oldrestore.config.pairs import check_pair, readings
from oldrestore.errors import UserError
from oldrestore.kernels.choice import using
from oldrestore.losses.grid_classification import GridCrossEntropy
from oldrestore.losses.regression import L1, L2, SmoothL1
from tests.color.plain_color import grid_index
from tests.losses import reference
from tests.losses.reference import value_of
from tests.models.plain_layers import softmax


def colors(batch: int = 3, side: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true ab, some of them nearly equal."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-80, 80, (batch, 2, side, side)).astype(np.float32)
    return truth + rng.normal(0, 1, truth.shape) * rng.choice([0.3, 20.0], truth.shape), truth


def huber(error: np.ndarray, delta: float) -> np.ndarray:
    size = np.abs(error)
    return np.where(size <= delta, size**2 / (2 * delta), size - delta / 2)


PENALTIES = [
    (L1(), lambda e: np.abs(e) / 110),
    (L1(scale=1.0), np.abs),
    (L2(), lambda e: (e / 110) ** 2 / 2),
    (L2(scale=10.0), lambda e: (e / 10) ** 2 / 2),
    (SmoothL1(), lambda e: huber(e / 110, 1 / 110)),
    (SmoothL1(delta=5.0, scale=1.0), lambda e: huber(e, 5.0)),
]


@pytest.mark.parametrize(("loss", "penalty"), PENALTIES)
def test_value_and_gradient_against_numpy(loss, penalty):
    predicted, truth = colors()
    formula = lambda ab: penalty(ab - truth.astype(np.float64)).sum(axis=1).mean()  # noqa: E731
    reference.check(loss, predicted, reference.make_batch(truth), formula)


@pytest.mark.parametrize("kernels", ["onednn", "paddle"])
def test_grid_cross_entropy_against_a_dense_float64_computation(kernels):
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, (2, 529, 3, 2)).astype(np.float32)
    ab = rng.uniform(-115, 115, (2, 2, 12, 8)).astype(np.float32)
    target = np.eye(529)[grid_index(ab[:, :, ::4, ::4].transpose(0, 2, 3, 1))].transpose(0, 3, 1, 2)

    with using(kernels):
        value, gradient = reference.evaluate(GridCrossEntropy(), logits, reference.make_batch(ab))
    p = softmax(logits.astype(np.float64))
    assert value == pytest.approx(-(target * np.log(p)).sum() / (2 * 3 * 2), rel=1e-5)
    np.testing.assert_allclose(gradient, (p - target) / (2 * 3 * 2), atol=1e-6)


def test_uniform_logits_give_ln_529_and_a_sure_one_its_margin():
    _, ab = colors(side=8)
    assert value_of(GridCrossEntropy(), np.full((3, 529, 2, 2), 7.0), ab) == pytest.approx(math.log(529), abs=1e-5)
    ab = np.broadcast_to(GRID_AB[100].reshape(1, 2, 1, 1), (1, 2, 8, 8))
    logits = np.zeros((1, 529, 2, 2))
    logits[:, 100] = 500.0
    assert value_of(GridCrossEntropy(), logits, ab) == pytest.approx(0.0, abs=1e-3)
    logits[:, 100], logits[:, 7] = 0.0, 500.0
    assert value_of(GridCrossEntropy(), logits, ab) == pytest.approx(500.0, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.38, 1.0])
def test_value_and_gradient_against_float64(temperature):
    logits, truth = reference.of_bins()
    small = truth[:, :, ::2, ::2].astype(np.float64)

    def formula(z):
        return np.abs((reference.annealed_mean(z, temperature) - small) / 110).sum(axis=1).mean()

    reference.check(L1(annealed_mean=temperature), logits, reference.make_batch(truth), formula, step=1e-5)


def test_what_it_reads_follows_from_its_settings_before_it_is_built():
    node = {"_target_": "oldrestore.losses.regression.L1", "annealed_mean": None}
    assert readings(node) == {"ab"} == L1().reads
    node["annealed_mean"] = 0.38
    assert readings(node) == {"logits"} == build(node).reads
    assert L1.reads == {"ab"}
    check_pair({"_target_": "oldrestore.models.eccv16.Eccv16"}, node)
    with pytest.raises(UserError, match=r"reads ab but the model .*Eccv16 predicts logits"):
        check_pair({"_target_": "oldrestore.models.eccv16.Eccv16"}, node | {"annealed_mean": None})


def test_the_ab_that_a_network_predicts_is_not_looked_at_with_a_temperature():
    logits, truth = reference.of_bins()
    prediction = Prediction(logits=paddle.to_tensor(logits), ab=paddle.full([2, 2, 3, 2], 99.0))
    with_ab = float(L1(annealed_mean=0.38)(prediction, reference.make_batch(truth)))
    assert with_ab == reference.evaluate(L1(annealed_mean=0.38), logits, reference.make_batch(truth))[0]
