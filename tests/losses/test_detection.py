"""Cross-entropy and Dice by closed forms, and what each asks of a pixel."""

import math

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch, Prediction
from oldrestore.errors import UserError
from oldrestore.losses.detection import DamageMask
from tests.losses import reference


def batch(mask) -> Batch:
    hole = np.array(mask, np.float32)[None, None]
    return reference.make_batch(hole.repeat(2, axis=1), hole_b1hw=paddle.to_tensor(hole))


def prediction(logits) -> Prediction:
    return Prediction(damage_logits=paddle.to_tensor(np.array(logits, np.float32)[None, None], stop_gradient=False))


def test_a_network_that_knows_nothing_costs_ln_2():
    terms = DamageMask(damaged_weight=3.0, dice_weight=0.5).terms(prediction([[0, 0], [0, 0]]), batch([[1, 0], [0, 0]]))
    # Of four pixels one counts three times; p = 0.5 everywhere: Dice 1 - (2 * 0.5 + 1) / (2 + 1 + 1).
    assert terms["cross_entropy"].item() == pytest.approx((3 + 3) / 4 * math.log(2))
    assert terms["dice"].item() == pytest.approx(0.5)
    assert terms["loss"].item() == pytest.approx(1.5 * math.log(2) + 0.25)


def test_values_are_those_of_float64_and_large_scores_stay_finite():
    rng = np.random.default_rng(0)
    logits, mask = rng.normal(0, 3, (5, 7)), rng.random((5, 7)) < 0.3
    p = 1 / (1 + np.exp(-logits))
    entropy = -np.where(mask, np.log(p), np.log(1 - p)).mean()
    dice = 1 - (2 * p[mask].sum() + 1) / (p.sum() + mask.sum() + 1)
    terms = DamageMask().terms(prediction(logits), batch(mask))
    assert terms["cross_entropy"].item() == pytest.approx(entropy, rel=1e-5)
    assert terms["dice"].item() == pytest.approx(dice, rel=1e-5)
    assert DamageMask(dice_weight=0.0)(prediction([[-200.0, 200.0]]), batch([[1, 0]])).item() == pytest.approx(200.0)


def test_thin_damage_weighs_more_when_asked_to():
    side = 51
    line, block = np.zeros((side, side)), np.zeros((side, side))
    line[25], block[8:43] = 1, 1
    plain, balanced = DamageMask(dice_weight=0.0), DamageMask(dice_weight=0.0, balance_thin=True)
    cost = math.log(2) / side

    def value(loss, mask):
        return loss(prediction(np.zeros((side, side))), batch(mask)).item()

    assert value(plain, block) == value(plain, line) == pytest.approx(math.log(2), rel=1e-5)
    # Around a pixel of the line one row of 17 is damaged; in the block all 17 are, but for the 8 rows at each border.
    assert value(balanced, line) == pytest.approx(cost * (50 + 17), rel=1e-5)
    rows = 19 + 2 * sum(17 / (9 + inside) for inside in range(8))
    assert value(balanced, block) == pytest.approx(cost * (16 + rows), rel=1e-5)
    # Nothing found: the Dice loss does not depend on how broad the damage is.
    nothing = prediction(np.full((side, side), -30.0))
    assert DamageMask(balance_thin=True).terms(nothing, batch(line))["dice"].item() == pytest.approx(1, abs=0.01)


def test_gradients_push_damaged_pixels_up_and_whole_ones_down():
    given = prediction([[0.3, -0.2]])
    DamageMask()(given, batch([[1, 0]])).backward()
    up, down = given.damage_logits.grad.numpy().ravel()
    assert up < 0 < down


def test_a_batch_without_damage_is_right_when_nothing_is_found():
    nothing, everything = ([[x, x]] for x in (-20.0, 20.0))
    assert DamageMask()(prediction(nothing), batch([[0, 0]])).item() == pytest.approx(0.0, abs=1e-6)
    assert DamageMask()(prediction(everything), batch([[0, 0]])).item() > 20.0


def test_photographs_without_masks_are_refused():
    with pytest.raises(UserError, match="inputs=damage_detection"):
        DamageMask()(prediction([[0, 0], [0, 0]]), reference.make_batch(np.zeros((1, 2, 2, 2))))
