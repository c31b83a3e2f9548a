"""Adversarial losses against their formulas, and the gradient penalty against a linear score's closed form."""

import numpy as np
import paddle
import pytest

from oldrestore.losses.adversarial import Hinge, LeastSquares, Vanilla, Wasserstein, gradient_penalty

REAL, FAKE = np.array([2.0, 0.5, -1.0], np.float32), np.array([-3.0, 0.25, 1.5], np.float32)
FORMULAS = {
    Hinge: (np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(), -FAKE.mean()),
    Vanilla: (np.log1p(np.exp(-REAL)).mean() + np.log1p(np.exp(FAKE)).mean(), np.log1p(np.exp(-FAKE)).mean()),
    LeastSquares: ((((REAL - 1) ** 2).mean() + (FAKE**2).mean()) / 2, ((FAKE - 1) ** 2).mean() / 2),
    Wasserstein: (FAKE.mean() - REAL.mean(), -FAKE.mean()),
}


@pytest.mark.parametrize("game", FORMULAS)
def test_values_are_those_of_the_formulas(game):
    d_expected, g_expected = FORMULAS[game]
    real, fake = paddle.to_tensor(REAL), paddle.to_tensor(FAKE)
    assert game().discriminator(real, fake).item() == pytest.approx(d_expected, rel=1e-6)
    assert game().generator(fake).item() == pytest.approx(g_expected, rel=1e-6)


def test_hinge_leaves_alone_what_is_right_by_more_than_one():
    real, fake = paddle.to_tensor([1.5, 0.5], stop_gradient=False), paddle.to_tensor([-1.5, -0.5], stop_gradient=False)
    Hinge().discriminator(real, fake).backward()
    assert real.grad.tolist() == [0.0, -0.5]
    assert fake.grad.tolist() == [0.0, 0.5]


def test_the_penalty_of_a_linear_score_is_the_closed_form_and_differentiates():
    # score = w . x has gradient w everywhere: (|w| - 1)^2, whose own gradient is 2 (|w| - 1) w / |w|.
    w = paddle.to_tensor(np.array([3.0, 0.0, 4.0, 0.0], np.float32).reshape(1, 4, 1, 1), stop_gradient=False)
    real, fake = (paddle.full([2, 4, 1, 1], value) for value in (1.0, -1.0))
    share = paddle.full([2, 1, 1, 1], 0.3)
    penalty = gradient_penalty(lambda x: (x * w).sum(axis=1), real, fake, share)
    assert penalty.item() == pytest.approx(16.0, rel=1e-5)
    penalty.backward()
    np.testing.assert_allclose(w.grad.numpy().ravel(), [8 * 0.6, 0, 8 * 0.8, 0], rtol=1e-4, atol=1e-6)
