"""Losses on ab that read the annealed mean of logits instead: against float64, and what they read."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.config.build import build
from oldrestore.config.pairs import check_pair, readings
from oldrestore.errors import UserError
from oldrestore.losses.regression import L1, L2, SmoothL1
from tests.losses import reference


@pytest.mark.parametrize("temperature", [0.38, 1.0])
def test_value_and_gradient_against_float64(temperature):
    logits, truth = reference.of_bins()
    small = truth[:, :, ::2, ::2].astype(np.float64)

    def formula(z):
        return np.abs((reference.annealed_mean(z, temperature) - small) / 110).sum(axis=1).mean()

    reference.check(L1(annealed_mean=temperature), logits, reference.make_batch(truth), formula, step=1e-5)


@pytest.mark.parametrize("make", [L1, L2, SmoothL1])
def test_certainty_of_the_true_bin_costs_nothing(make):
    truth = np.broadcast_to(AB_BINS[77].reshape(1, 2, 1, 1), (1, 2, 4, 4))
    logits = np.zeros((1, NUMBER_OF_BINS, 2, 2))
    logits[:, 77] = 1e4
    value, gradient = reference.evaluate(make(annealed_mean=0.38), logits, reference.make_batch(truth))
    assert value == pytest.approx(0.0, abs=1e-7) and np.isfinite(gradient).all()


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
