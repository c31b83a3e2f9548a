"""The sparse cross-entropy by itself: each way through it gives the same, and against Paddle's own dense one."""

import numpy as np
import paddle
import pytest

from oldrestore.kernels import choice
from oldrestore.losses import one_pass
from oldrestore.losses.one_pass import SparseTarget, sparse_cross_entropy


def case(seed: int = 0, dtype: str = "float32", uniform: float = 0.25):
    """Logits (3, 20, 2, 5) and a target in two parts that name some classes twice."""
    rng = np.random.default_rng([5, seed])
    logits = paddle.to_tensor(rng.normal(0, 3, (3, 20, 2, 5)).astype(np.float64)).astype(dtype)
    indices = [rng.permuted(np.tile(np.arange(20), (30, 1)), axis=1)[:, :k] for k in (3, 4)]
    indices = np.concatenate(indices, axis=1).reshape(3, 2, 5, 7).transpose(0, 3, 1, 2)
    weights = rng.uniform(0.1, 1, indices.shape)
    weights *= (1 - uniform) / weights.sum(axis=1, keepdims=True)
    target = SparseTarget(paddle.to_tensor(indices), paddle.to_tensor(weights.astype(np.float32)), (3, 4), uniform)
    slope = paddle.to_tensor(rng.normal(size=(3, 2, 5)).astype(np.float32))
    slope[1] = 0.0
    slope[2] = slope[2].abs()
    return logits, target, slope


def dense(logits, target, gamma, offset):
    """By automatic differentiation of Paddle's dense operations."""
    indices, weights = target.indices_bkhw, target.weights_bkhw.astype(logits.dtype)
    t = paddle.full(logits.shape, target.uniform / logits.shape[1], dtype=logits.dtype)
    t = t + sum(
        paddle.nn.functional.one_hot(indices[:, k], logits.shape[1]).transpose([0, 3, 1, 2]).astype(logits.dtype)
        * weights[:, k : k + 1]
        for k in range(indices.shape[1])
    )
    log_p = paddle.nn.functional.log_softmax(logits + offset.reshape([1, -1, 1, 1]), axis=1)
    return -(t * (1 - log_p.exp()) ** gamma * log_p).sum(axis=1)


def both(function, logits, slope):
    logits = logits.clone().detach()
    logits.stop_gradient = False
    values = function(logits)
    (values * slope.astype(values.dtype)).sum().backward()
    return values.numpy(), logits.grad


def channels_last(z):
    return z.transpose([0, 2, 3, 1]).contiguous().transpose([0, 3, 1, 2])


def offset_like(logits):
    return paddle.to_tensor(np.random.default_rng(8).normal(size=logits.shape[1])).astype(logits.dtype)


@pytest.mark.parametrize("uniform", [0.0, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.5])
def test_slopes_of_any_sign_and_classes_named_twice_against_dense_operations(gamma, uniform):
    logits, target, slope = case(dtype="float64", uniform=uniform)
    offset = offset_like(logits)
    values, gradient = both(lambda z: sparse_cross_entropy(z, target, gamma, offset), logits, slope)
    expected, wanted = both(lambda z: dense(z, target, gamma, offset), logits, slope)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient.numpy(), wanted.numpy(), rtol=1e-6, atol=1e-7)
    assert (gradient.numpy()[1] == 0).all() and np.abs(gradient.numpy()[0]).max() > 0.1


LAST = "channels last"
WAYS = ["on a GPU", "slices are copies", LAST, f"{LAST}, by Paddle", f"{LAST}, copies", f"{LAST}, in blocks"]


@pytest.mark.parametrize("uniform", [0.0, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same(way, gamma, uniform, monkeypatch):
    logits, target, slope = case(uniform=uniform)
    offset = offset_like(logits)
    values, gradient = both(lambda z: sparse_cross_entropy(z, target, gamma, offset), logits, slope)
    if way == "on a GPU":
        monkeypatch.setattr(one_pass, "on_cpu", lambda tensor: False)
    if "blocks" in way:
        monkeypatch.setattr(one_pass, "AT_ONCE", 1)
    if "copies" in way:
        monkeypatch.setattr(one_pass, "slices_are_views", lambda: False)
    lay = channels_last if "last" in way else lambda z: z
    with choice.using("paddle" if "Paddle" in way else "onednn"):
        same, alike = both(lambda z: sparse_cross_entropy(lay(z), target, gamma, offset), logits, slope)
    np.testing.assert_allclose(same, values, rtol=2e-6)
    np.testing.assert_allclose(alike.numpy(), gradient.numpy(), rtol=1e-5, atol=1e-6)


def test_the_gradient_can_be_asked_for_again_and_not_at_all():
    logits, target, slope = case()
    logits.stop_gradient = False
    values = (sparse_cross_entropy(logits, target) * slope).sum()
    (first,), (second,) = (paddle.grad(values, logits, retain_graph=True) for _ in range(2))
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    values.backward()
    np.testing.assert_array_equal(logits.grad.numpy(), first.numpy())
    with paddle.no_grad():
        alone = sparse_cross_entropy(logits, target)
    assert alone.stop_gradient
    assert float((alone * slope).sum()) == float(values)
    assert sparse_cross_entropy(logits.detach(), target).stop_gradient


def test_logits_that_do_not_lie_in_order_in_memory_and_are_not_changed():
    logits, target, slope = case()
    values, gradient = both(lambda z: sparse_cross_entropy(z, target), logits, slope)
    last = logits.transpose([0, 2, 3, 1]).contiguous()
    before = last.numpy().copy()
    same, alike = both(lambda z: sparse_cross_entropy(z.transpose([0, 3, 1, 2]), target), last, slope)
    np.testing.assert_allclose(same, values, rtol=2e-6)
    np.testing.assert_allclose(alike.numpy(), gradient.numpy().transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(last.numpy(), before)


def test_what_is_not_a_number_is_not_hidden():
    logits, target, slope = case()
    logits[0, 0, 0, 0] = float("nan")
    values, gradient = both(lambda z: sparse_cross_entropy(z, target), logits, slope)
    assert np.isnan(values[0, 0, 0]) and np.isnan(gradient.numpy()[0, :, 0, 0]).any()
    assert np.isfinite(values[0, 0, 1:]).all() and np.isfinite(gradient.numpy()[2]).all()
    logits, target, slope = case()
    slope[2, 1, 1] = float("inf")  # as an overflowing loss scale makes it
    _, gradient = both(lambda z: sparse_cross_entropy(z, target), logits, slope)
    assert not np.isfinite(gradient.numpy()[2, :, 1, 1]).any()
