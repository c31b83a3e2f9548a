"""Convolutions through oneDNN against float64 NumPy: values and all gradients."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.kernels import convolution_plan
from oldrestore.kernels.activations import RELU
from oldrestore.kernels.convolution import convolve, convolve_transposed
from oldrestore.kernels.convolution_plan import plan
from oldrestore.kernels.library import Library
from oldrestore.kernels.primitives import KEPT, workspace_bytes
from tests.kernels import references
from tests.kernels.references import ACTIVATIONS, OF_ONEDNN, away_from_kinks, relative

TOLERANCE = 1e-5

# Shape (B, C, H, W), outputs, kernel, stride, padding (top, left, bottom, right), dilation, groups, activation, bias.
CONVOLUTIONS = {
    "odd sizes": ((2, 3, 9, 7), 5, (3, 3), 2, (1, 1, 1, 1), 1, 1, None, True),
    "one of everything": ((1, 1, 1, 1), 1, (1, 1), 1, (0, 0, 0, 0), 1, 1, None, True),
    "one channel": ((3, 1, 8, 10), 16, (3, 3), 1, (1, 1, 1, 1), 1, 1, "relu", True),
    "one output": ((2, 16, 8, 8), 1, (3, 3), 1, (1, 1, 1, 1), 1, 1, None, True),
    "1 x 1": ((2, 16, 5, 6), 33, (1, 1), 1, (0, 0, 0, 0), 1, 1, "relu", True),
    "1 x 1, stride": ((2, 16, 5, 6), 8, (1, 1), 2, (0, 0, 0, 0), 1, 1, None, False),
    "dilated": ((2, 8, 9, 11), 16, (3, 3), 1, (2, 2, 2, 2), 2, 1, "relu", True),
    "dilated evenly": ((3, 8, 8, 12), 16, (3, 3), 1, (2, 2, 2, 2), 2, 1, "relu", True),
    "dilated widely": ((1, 16, 12, 12), 16, (3, 3), 1, (4, 4, 4, 4), 4, 1, "leaky_relu", False),
    "groups": ((2, 4, 9, 11), 6, (3, 3), 1, (1, 1, 1, 1), 1, 2, "leaky_relu", True),
    "depthwise": ((2, 16, 9, 8), 16, (5, 5), 1, (2, 2, 2, 2), 1, 16, "relu6", False),
    "depthwise, small": ((2, 8, 2, 3), 8, (3, 3), 1, (1, 1, 1, 1), 1, 8, None, True),
    "depthwise, 7 x 5, stride": ((2, 8, 9, 12), 8, (7, 5), 2, (3, 2, 3, 1), 1, 8, None, True),
    "depthwise, stride": ((2, 6, 9, 8), 6, (3, 3), 2, (0, 0, 1, 1), 1, 6, "relu6", True),
    "padding of one side": ((2, 3, 8, 8), 4, (3, 3), 2, (0, 0, 1, 1), 1, 1, "relu6", False),
    "kernel of two sizes": ((2, 4, 8, 9), 8, (1, 7), 1, (0, 3, 0, 3), 1, 1, "relu", True),
    "stride, no padding": ((2, 4, 10, 13), 3, (2, 3), 3, (0, 0, 0, 0), 1, 1, None, True),
    "4 x 4, stride": ((2, 8, 8, 8), 16, (4, 4), 2, (1, 1, 1, 1), 1, 1, "leaky_relu", True),
    "wide": ((2, 64, 12, 12), 64, (3, 3), 1, (1, 1, 1, 1), 1, 1, "relu", True),
}
# Shape, outputs, kernel, stride, padding, dilation, groups, output padding, activation.
TRANSPOSED = {
    "doubles": ((2, 4, 5, 7), 8, 4, 2, 1, 1, 1, 0, "relu"),
    "odd": ((2, 3, 5, 4), 5, 3, 2, 1, 1, 1, 1, None),
    "same size": ((2, 4, 6, 5), 4, 3, 1, 1, 1, 1, 0, "leaky_relu"),
    "groups": ((2, 4, 5, 5), 6, 3, 1, 1, 1, 2, 0, "relu"),
    "wide": ((2, 64, 6, 6), 32, 4, 2, 1, 1, 1, 0, "relu"),
}


@pytest.fixture(params=["oneDNN's own", "products", "undilated"])
def weight_gradient(request, monkeypatch):
    """Each way to the gradient of a weight, whichever is the fastest on this processor."""
    monkeypatch.setattr(Library, "wide", request.param == "oneDNN's own")
    least = 0 if request.param == "products" else float("inf")
    monkeypatch.setattr(convolution_plan, "PRODUCT_OPERATIONS", least)
    monkeypatch.setattr(convolution_plan, "PRODUCT_CHANNELS", 1)
    plan.cache_clear()
    yield
    plan.cache_clear()


def drawn(shape, kernel, outputs, bias, reference, activation):
    """Input, weight and bias whose result lies off the kinks of every activation."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, weight = (rng.normal(size=size).astype(np.float32).astype(float) for size in (shape, kernel))
        b = rng.normal(size=outputs).astype(np.float32).astype(float) if bias else None
        y, gradients = reference(x, weight, b)
        if activation is None or away_from_kinks(y):
            return x, weight, b, y, gradients
    raise AssertionError("no draw lies off the kinks")


def compare(apply, x, weight, b, y, gradients, activation):
    forward, slope = ACTIVATIONS[activation]
    arrays = [None if a is None else a.astype(np.float32) for a in (x, weight, b)]
    given = [None if a is None else paddle.to_tensor(a, stop_gradient=False) for a in arrays]
    result = apply(*given, activation=OF_ONEDNN[activation])
    dy = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    result.backward(paddle.to_tensor(dy))
    assert relative(result, forward(y)) < TOLERANCE
    expected = gradients(dy * slope(y))
    for tensor, gradient in zip(given, expected, strict=True):
        assert tensor is None or relative(tensor.grad, gradient) < TOLERANCE


@pytest.mark.usefixtures("weight_gradient")
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_convolution_is_numpys(case):
    shape, outputs, kernel, stride, padding, dilation, groups, activation, bias = CONVOLUTIONS[case]
    weight = (outputs, shape[1] // groups, *kernel)

    def reference(x, w, b):
        return references.convolution(x, w, b, stride, padding, dilation, groups)

    def apply(x, w, b, activation):
        window = {"stride": (stride,) * 2, "padding": padding, "dilation": (dilation,) * 2}
        return convolve(x, w, b, **window, groups=groups, activation=activation)

    compare(apply, *drawn(shape, weight, outputs, bias, reference, activation), activation)


@pytest.mark.usefixtures("weight_gradient")
@pytest.mark.parametrize("case", TRANSPOSED)
def test_a_transposed_convolution_is_numpys(case):
    shape, outputs, kernel, stride, padding, dilation, groups, more, activation = TRANSPOSED[case]
    weight = (shape[1], outputs // groups, kernel, kernel)

    def reference(x, w, b):
        return references.transposed(x, w, b, stride, padding, dilation, groups, more)

    def apply(x, w, b, activation):
        window = {"stride": (stride,) * 2, "padding": (padding,) * 4, "dilation": (dilation,) * 2}
        return convolve_transposed(x, w, b, **window, output_padding=(more,) * 2, groups=groups, activation=activation)

    compare(apply, *drawn(shape, weight, outputs, True, reference, activation), activation)


def test_an_input_may_lie_in_memory_in_any_order():
    x, weight = paddle.randn([2, 6, 5, 7]), paddle.randn([4, 6, 3, 3])
    last = x.transpose([0, 2, 3, 1]).contiguous().transpose([0, 3, 1, 2])
    turned = x.transpose([0, 1, 3, 2]).contiguous().transpose([0, 1, 3, 2])
    part = paddle.concat([x, x], axis=1)[:, :6]
    results = [convolve(same, weight).numpy() for same in (x, last, turned, part)]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    one = paddle.randn([1, 1, 5, 7]).expand([3, 6, 5, 7])
    np.testing.assert_array_equal(convolve(one, weight).numpy(), convolve(one.contiguous(), weight).numpy())


def test_only_what_is_trained_gets_a_gradient():
    x, weight, bias = paddle.randn([2, 3, 5, 5]), paddle.randn([4, 3, 3, 3]), paddle.zeros([4])
    bias.stop_gradient = False
    convolve(x, weight, bias).sum().backward()
    assert x.grad is None
    assert weight.grad is None
    np.testing.assert_allclose(bias.grad.numpy(), np.full(4, 2 * 3 * 3))
    with paddle.no_grad():
        assert convolve(x, weight, bias).stop_gradient


def test_results_repeat_bit_for_bit():
    x, weight = paddle.randn([4, 16, 12, 12]), paddle.randn([32, 16, 3, 3])

    def once():
        for tensor in (x, weight):
            tensor.stop_gradient = False
            tensor.clear_gradient()
        y = convolve(x, weight, padding=(1,) * 4, activation=RELU)
        (y * y).sum().backward()
        return y.numpy(), x.grad.numpy(), weight.grad.numpy()

    first = once()
    plan.cache_clear()  # primitives that are built anew compute alike
    for one, other in zip(first, once(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_do_not_share_a_weight():
    cases = [(paddle.randn([2, 64, 16, 16]), paddle.randn([64, 64, 3, 3])) for _ in range(4)]
    expected = [convolve(x, weight).numpy() for x, weight in cases]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda index: convolve(*cases[index % 4]).numpy(), range(80)))
    for index, result in enumerate(results):
        np.testing.assert_array_equal(result, expected[index % 4])


def test_a_second_derivative_is_refused_in_a_sentence():
    x, weight = paddle.randn([1, 2, 4, 4]), paddle.randn([2, 2, 3, 3])
    x.stop_gradient = False
    with pytest.raises(Exception, match=r"no second derivative: take trainer\.kernels=paddle"):
        paddle.grad(convolve(x, weight).sum(), x, create_graph=True)


def test_an_empty_batch_is_refused():
    with pytest.raises(UserError, match="at least one photograph"):
        convolve(paddle.zeros([0, 2, 4, 4]), paddle.zeros([2, 2, 3, 3]))


def test_any_number_of_shapes_takes_bounded_memory():
    weight = paddle.randn([4, 3, 3, 3])
    for index in range(KEPT + 50):
        convolve(paddle.ones([1, 3, 4 + index % 20, 4 + index // 20]), weight)
    assert plan.cache_info().currsize == KEPT
    before = workspace_bytes()
    for index in range(50):
        convolve(paddle.ones([1, 3, 4 + index % 20, 4 + index // 20]), weight)
    assert workspace_bytes() == before
