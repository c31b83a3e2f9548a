"""Losses on ab that read the annealed mean of logits instead: values and gradients against float64, and limits."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.config.build import build
from oldrestore.config.pairs import check_pair, readings
from oldrestore.errors import UserError
from oldrestore.losses.colorfulness import Colorfulness
from oldrestore.losses.dispersion import MseDispersion
from oldrestore.losses.regression import L1, L2, SmoothL1
from oldrestore.losses.smoothness import ChromaEdge, TotalVariation
from tests.losses import reference

# Mixed precision is a GPU's: on a CPU Paddle warns that it takes no notice.
pytestmark = pytest.mark.filterwarnings("ignore:amp_guard")


def case(number=2, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (number, NUMBER_OF_BINS, 3, 2)).astype(np.float32)
    return logits, rng.uniform(-60, 60, (number, 2, 6, 4)).astype(np.float32)


def huber(error, delta):
    size = np.abs(error)
    return np.where(size <= delta, size**2 / (2 * delta), size - delta / 2)


def dispersed(error, ab):
    return (error**2).mean() + 26.7 / (((ab - ab.mean()) ** 2).mean() + 0.01)


FORMULAS = {
    "l1": (L1, lambda e, ab: np.abs(e / 110).sum(1).mean()),
    "l2": (L2, lambda e, ab: ((e / 110) ** 2 / 2).sum(1).mean()),
    "smooth_l1": (SmoothL1, lambda e, ab: huber(e / 110, 1 / 110).sum(1).mean()),
    "mse_dispersion": (MseDispersion, dispersed),
}
every = pytest.mark.parametrize("name", FORMULAS)


@every
@pytest.mark.parametrize("temperature", [0.38, 1.0])
def test_value_and_gradient_against_float64(name, temperature):
    make, formula = FORMULAS[name]
    logits, truth = case()
    small = truth[:, :, ::2, ::2].astype(np.float64)

    def of_logits(z):
        ab = reference.annealed_mean(z, temperature)
        return formula(ab - small, ab)

    reference.check(make(annealed_mean=temperature), logits, reference.make_batch(truth), of_logits, step=1e-5)


@every
def test_it_is_the_loss_of_the_annealed_mean(name):
    make, _ = FORMULAS[name]
    logits, truth = case()
    ab = reference.annealed_mean(logits.astype(np.float64), 0.38)
    batch = reference.make_batch(truth)
    expected, _ = reference.evaluate(make(), ab, batch)
    assert reference.evaluate(make(annealed_mean=0.38), logits, batch)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make", [L1, L2, SmoothL1])
def test_certainty_of_the_true_bin_costs_nothing(make):
    truth = np.broadcast_to(AB_BINS[77].reshape(1, 2, 1, 1), (1, 2, 4, 4))
    logits = np.zeros((1, NUMBER_OF_BINS, 2, 2))
    logits[:, 77] = 1e4
    value, gradient = reference.evaluate(make(annealed_mean=0.38), logits, reference.make_batch(truth))
    assert value == pytest.approx(0.0, abs=1e-7) and np.isfinite(gradient).all()


@every
def test_extreme_logits_and_half_precision(name):
    loss = FORMULAS[name][0](annealed_mean=0.38)
    logits, truth = case()
    batch = reference.make_batch(truth)
    value, gradient = reference.evaluate(loss, np.sign(logits) * 1e4, batch)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    reference.check_half_precision(loss, logits, batch)


@pytest.mark.parametrize("make", [L1, L2, SmoothL1, TotalVariation, ChromaEdge, Colorfulness])
@pytest.mark.parametrize("temperature", [None, 0.38])
def test_a_batch_is_the_mean_of_its_photographs(make, temperature):
    logits, truth = case(number=3)
    given = logits if temperature else truth + np.random.default_rng(1).normal(0, 9, truth.shape)
    reference.check_parts(make(annealed_mean=temperature), given, truth)


def test_dispersion_is_of_the_batch():
    # Two photographs, each of one colour: apart they have no spread, together they have.
    ab = np.stack([np.full((2, 2, 2), 20.0), np.full((2, 2, 2), -20.0)])
    together = reference.evaluate(MseDispersion(), ab, reference.make_batch(ab))[0]
    apart = reference.evaluate(MseDispersion(), ab[:1], reference.make_batch(ab[:1]))[0]
    assert together == pytest.approx(26.7 / 400.01) and apart == pytest.approx(26.7 / 0.01)


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
    logits, truth = case()
    prediction = Prediction(logits=paddle.to_tensor(logits), ab=paddle.full([2, 2, 3, 2], 99.0))
    with_ab = float(L1(annealed_mean=0.38)(prediction, reference.make_batch(truth)))
    assert with_ab == reference.evaluate(L1(annealed_mean=0.38), logits, reference.make_batch(truth))[0]
