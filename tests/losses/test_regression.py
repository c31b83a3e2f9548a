"""L1, L2 and smooth-L1 of ab, and the cross-entropy over 529 squares, against float64 and finite differences."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch, Prediction
from oldrestore.color.grid_paddle import GRID_AB
from oldrestore.losses.grid_classification import GridCrossEntropy
from oldrestore.losses.regression import L1, L2, SmoothL1
from tests.color.plain_color import grid_index


def make_batch(ab_b2hw: np.ndarray) -> Batch:
    ab = paddle.to_tensor(ab_b2hw.astype(np.float32))
    return Batch(L_b1hw=paddle.full_like(ab[:, :1], 50.0), ab_b2hw=ab)


def evaluate(loss, field: str, given: np.ndarray, ab: np.ndarray) -> tuple[float, np.ndarray]:
    tensor = paddle.to_tensor(given.astype(np.float32), stop_gradient=False)
    value = loss(Prediction(**{field: tensor}), make_batch(ab))
    assert value.shape == [] and value.dtype == paddle.float32
    value.backward()
    return float(value), tensor.grad.numpy()


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

    def reference(ab: np.ndarray) -> float:
        return penalty(ab - truth.astype(np.float64)).sum(axis=1).mean()

    value, gradient = evaluate(loss, "ab", predicted, truth)
    exact = predicted.astype(np.float32).astype(np.float64)
    assert value == pytest.approx(reference(exact), rel=1e-5)
    step = 1e-4
    for index in [(0, 0, 0, 0), (0, 1, 2, 3), (1, 0, 3, 1), (2, 1, 1, 1), (2, 0, 0, 2), (1, 1, 2, 2)]:
        up, down = exact.copy(), exact.copy()
        up[index] += step
        down[index] -= step
        difference = (reference(up) - reference(down)) / (2 * step)
        assert gradient[index] == pytest.approx(difference, rel=1e-3, abs=1e-8)


def test_one_error_by_hand():
    # One pixel of four is wrong by 11 in a alone: 11 / 110 / 4 pixels.
    truth = np.zeros((1, 2, 2, 2))
    predicted = truth.copy()
    predicted[0, 0, 1, 1] = -11.0
    assert evaluate(L1(), "ab", predicted, truth)[0] == pytest.approx(0.1 / 4)
    assert evaluate(L2(), "ab", predicted, truth)[0] == pytest.approx(0.1**2 / 2 / 4)
    assert evaluate(SmoothL1(), "ab", predicted, truth)[0] == pytest.approx((11 - 0.5) / 110 / 4)


def test_a_small_delta_is_l1_and_a_large_one_l2():
    predicted, truth = colors()
    l1, _ = evaluate(L1(), "ab", predicted, truth)
    l2, _ = evaluate(L2(), "ab", predicted, truth)
    assert evaluate(SmoothL1(delta=1e-4), "ab", predicted, truth)[0] == pytest.approx(l1, rel=1e-4)
    assert evaluate(SmoothL1(delta=1000.0), "ab", predicted, truth)[0] == pytest.approx(l2 * 110 / 1000, rel=1e-5)


def test_a_smaller_prediction_is_compared_with_every_nth_pixel():
    predicted, truth = colors(side=8)
    small = predicted[:, :, :2, :2]
    assert evaluate(L1(), "ab", small, truth)[0] == pytest.approx(
        np.abs(small - truth[:, :, ::4, ::4]).sum(axis=1).mean() / 110, rel=1e-5
    )


@pytest.mark.parametrize("loss", [L1(gray_threshold=5.0), GridCrossEntropy(gray_threshold=5.0)])
def test_gray_photographs_are_left_out_where_that_is_asked(loss):
    (field,) = loss.reads
    predicted, truth = colors()
    given = predicted if field == "ab" else np.random.default_rng(1).normal(0, 2, (3, 529, 4, 4))
    truth[[0, 2]] = 5.0  # nothing above 5
    value, gradient = evaluate(loss, field, given, truth)
    assert value == pytest.approx(evaluate(loss, field, given[1:2], truth[1:2])[0], rel=1e-6)
    assert (gradient[[0, 2]] == 0).all() and (gradient[1] != 0).any()
    value, gradient = evaluate(loss, field, given, truth * 0.01)
    assert value == 0.0 and (gradient == 0.0).all()
    everything = evaluate(type(loss)(gray_threshold=None), field, given, truth)[1]
    assert (everything[[0, 2]] != 0).any()


def cross_entropy(logits: np.ndarray, ab: np.ndarray) -> tuple[float, np.ndarray]:
    """The definition in float64: value and gradient."""
    step = ab.shape[-1] // logits.shape[-1]
    labels = grid_index(ab[:, :, ::step, ::step].transpose(0, 2, 3, 1))
    target = np.eye(529)[labels].transpose(0, 3, 1, 2)
    z = logits.astype(np.float64)
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -(target * log_p).sum() / labels.size, (np.exp(log_p) - target) / labels.size


def test_grid_cross_entropy_against_a_dense_float64_computation():
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, (2, 529, 3, 2)).astype(np.float32)
    ab = rng.uniform(-115, 115, (2, 2, 12, 8)).astype(np.float32)
    value, gradient = evaluate(GridCrossEntropy(), "class_logits", logits, ab)
    expected, expected_gradient = cross_entropy(logits, ab)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)
    step, index = 1e-5, (1, int(gradient[1, :, 2, 0].argmin()), 2, 0)
    up, down = logits.astype(np.float64), logits.astype(np.float64)
    up[index] += step
    down[index] -= step
    difference = (cross_entropy(up, ab)[0] - cross_entropy(down, ab)[0]) / (2 * step)
    assert gradient[index] == pytest.approx(difference, rel=1e-3)


def test_uniform_logits_give_ln_529_and_a_sure_one_its_margin():
    _, ab = colors(side=8)
    assert evaluate(GridCrossEntropy(), "class_logits", np.full((3, 529, 2, 2), 7.0), ab)[0] == pytest.approx(
        math.log(529), abs=1e-5
    )
    ab = np.broadcast_to(GRID_AB[100].reshape(1, 2, 1, 1), (1, 2, 8, 8))
    logits = np.zeros((1, 529, 2, 2))
    logits[:, 100] = 500.0
    assert evaluate(GridCrossEntropy(), "class_logits", logits, ab)[0] == pytest.approx(0.0, abs=1e-3)
    logits[:, 100], logits[:, 7] = 0.0, 500.0
    assert evaluate(GridCrossEntropy(), "class_logits", logits, ab)[0] == pytest.approx(500.0, abs=1e-3)


@pytest.mark.filterwarnings("ignore:amp_guard")
def test_half_precision_is_judged_in_float32():
    predicted, truth = colors()
    rounded = paddle.to_tensor(predicted.astype(np.float32)).astype("bfloat16")
    with paddle.amp.auto_cast(dtype="bfloat16", level="O1"):
        value = L1()(Prediction(ab=rounded), make_batch(truth))
    assert value.dtype == paddle.float32
    assert float(value) == evaluate(L1(), "ab", rounded.astype("float32").numpy(), truth)[0]
