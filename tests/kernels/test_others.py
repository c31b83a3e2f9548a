"""Batch norm, activations, sums, joins, poolings and enlargements through oneDNN, against float64 NumPy or Paddle."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional

from oldrestore.kernels import resizing
from oldrestore.kernels.activations import RELU, activated
from oldrestore.kernels.joining import add, concatenate
from oldrestore.kernels.normalization import batch_norm
from tests.kernels import references
from tests.kernels.references import ACTIVATIONS, OF_ONEDNN, away_from_kinks, relative

EPSILON = 1e-5


def trained(array):
    return paddle.to_tensor(np.asarray(array, np.float32), stop_gradient=False)


def normal(seed, shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(float)


@pytest.mark.parametrize("activation", [None, "relu", "relu6"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 10, 7, 9), (2, 1, 3, 3), (1, 5, 1, 2)])
def test_a_batch_norm_is_numpys(shape, training, activation):
    channels = shape[1]
    forward, slope = ACTIVATIONS[activation]
    scale, shift, mean = normal(1, channels), 1 + normal(2, channels) ** 2, normal(3, channels)
    variance = normal(4, channels) ** 2 + 0.5
    for seed in range(10, 100):
        x = normal(seed, shape)
        given = (None, None) if training else (mean, variance)
        y, gradients = references.batch_norm(x, scale, shift, *given, EPSILON)
        if away_from_kinks(y):
            break
    tensors = [trained(array) for array in (x, scale, shift)]
    running = [paddle.to_tensor(array.astype(np.float32)) for array in (mean, variance)]
    settings = {"training": training, "momentum": 0.8, "epsilon": EPSILON, "activation": OF_ONEDNN[activation]}
    result = batch_norm(*tensors, *running, **settings)
    dy = normal(5, shape)
    result.backward(paddle.to_tensor(dy.astype(np.float32)))
    assert relative(result, forward(y)) < 1e-5
    for tensor, gradient in zip(tensors, gradients(dy * slope(y)), strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), gradient, atol=1e-5 * np.abs(gradient).max() + 1e-5)
    own = (x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3)))
    for after, before, now in zip(running, (mean, variance), own, strict=True):
        np.testing.assert_allclose(
            after.numpy(), 0.8 * before + 0.2 * now if training else before, rtol=1e-5, atol=1e-6
        )


def test_a_batch_norm_of_many_pixels_far_from_zero_keeps_its_digits():
    x = 10 + 0.1 * normal(0, (16, 16, 64, 64))
    expected, _ = references.batch_norm(x, np.ones(16), np.zeros(16), None, None, EPSILON)
    running = paddle.zeros([16]), paddle.ones([16])
    settings = {"training": True, "momentum": 0.0, "epsilon": EPSILON}
    result = batch_norm(paddle.to_tensor(x.astype(np.float32)), None, None, *running, **settings)
    # The inputs themselves are rounded to 5e-7 of 10, which is 5e-6 of their spread.
    assert relative(result, expected) < 2e-5
    np.testing.assert_allclose(running[0].numpy(), x.mean(axis=(0, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu"])
def test_an_activation_is_numpys(name):
    forward, slope = ACTIVATIONS[name]
    x = trained(4 * normal(0, (2, 3, 5, 4)))
    result = activated(x, OF_ONEDNN[name])
    dy = normal(1, (2, 3, 5, 4)).astype(np.float32)
    result.backward(paddle.to_tensor(dy))
    np.testing.assert_allclose(result.numpy(), forward(x.numpy()), rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), dy * slope(x.numpy()), rtol=1e-6)


def test_a_sum_hands_its_gradient_to_both():
    one, other = trained(normal(0, (2, 3, 4, 5))), trained(normal(1, (2, 3, 4, 5)))
    result = add(one, other, RELU)
    dy = normal(2, (2, 3, 4, 5)).astype(np.float32)
    result.backward(paddle.to_tensor(dy))
    whole = one.numpy() + other.numpy()
    np.testing.assert_array_equal(result.numpy(), np.maximum(whole, 0))
    for tensor in (one, other):
        np.testing.assert_array_equal(tensor.grad.numpy(), dy * (whole > 0))


def test_a_fixed_part_of_a_sum_or_join_gets_no_gradient():
    fixed = paddle.ones([1, 2, 3, 3])
    for join in (add, lambda one, other: concatenate([one, other])):
        for order in (lambda x: (x, fixed), lambda x: (fixed, x)):
            x = trained(normal(0, (1, 2, 3, 3)))
            join(*order(x)).sum().backward()
            np.testing.assert_array_equal(x.grad.numpy(), np.ones(x.shape))
    assert fixed.grad is None


def test_a_tensor_that_two_layers_read_gets_both_gradients():
    x = trained(normal(0, (2, 3, 4, 5)))
    joined = concatenate([activated(x, RELU), x])
    weights = normal(1, joined.shape).astype(np.float32)
    (joined * paddle.to_tensor(weights)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), weights[:, :3] * (x.numpy() > 0) + weights[:, 3:], rtol=1e-6)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([np.maximum(x.numpy(), 0), x.numpy()], axis=1))


RESIZINGS = {
    "max 2": ((2, 5, 8, 7), lambda x: resizing.max_pool(x, 2, 2), lambda x: functional.max_pool2d(x, 2)),
    "max 3 of 2": ((2, 5, 9, 11), lambda x: resizing.max_pool(x, 3, 2), lambda x: functional.max_pool2d(x, 3, 2)),
    "max 3 padded": (
        *((2, 5, 9, 11), lambda x: resizing.max_pool(x, 3, 1, 1)),
        lambda x: functional.max_pool2d(x, 3, 1, 1),
    ),
    "nearest": (
        *((2, 5, 3, 4), lambda x: resizing.doubled(x, "nearest")),
        lambda x: functional.interpolate(x, scale_factor=2, mode="nearest"),
    ),
    "linear": (
        *((2, 5, 3, 4), lambda x: resizing.doubled(x, "linear")),
        lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
    ),
    "every second": ((2, 5, 8, 6), resizing.every_second, lambda x: x[:, :, ::2, ::2]),
    "every second of odd": ((2, 5, 7, 6), resizing.every_second, lambda x: x[:, :, ::2, ::2]),
}


@pytest.mark.parametrize("case", RESIZINGS)
def test_another_size_is_paddles(case):
    shape, ours, paddles = RESIZINGS[case]
    array, results = normal(0, shape), []
    for function in (ours, paddles):
        x = trained(array)
        y = function(x)
        y.backward(paddle.to_tensor(normal(1, y.shape).astype(np.float32)))
        results.append((y.numpy(), x.grad.numpy()))
    for one, other in zip(*results, strict=True):
        assert relative(one, other) < 1e-6
