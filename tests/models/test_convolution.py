"""Through Paddle's kernels, our convolutions give what Paddle's do, bit for bit, and export as Paddle's do."""

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore.kernels.choice import using
from oldrestore.models.convolution import Conv2D, Conv2DTranspose
from oldrestore.models.spectral_norm import SpectralConv2D

LAYERS = [
    (Conv2D, nn.Conv2D, (3, 5, 3), {"padding": 1}),
    (Conv2D, nn.Conv2D, (3, 5, 3), {"padding": 1, "stride": 2}),
    (Conv2D, nn.Conv2D, (4, 6, 3), {"padding": 2, "dilation": 2}),
    (Conv2D, nn.Conv2D, (4, 6, 3), {"padding": 1, "groups": 2}),
    (Conv2D, nn.Conv2D, (3, 7, 1), {}),
    (Conv2D, nn.Conv2D, (3, 7, 1), {"bias_attr": False}),
    (Conv2DTranspose, nn.Conv2DTranspose, (6, 5, 4), {"stride": 2, "padding": 1}),
    (Conv2DTranspose, nn.Conv2DTranspose, (6, 5, 4), {"stride": 2, "padding": 1, "bias_attr": False}),
]


@pytest.fixture(autouse=True)
def _paddles_kernels():
    with using("paddle"):
        yield


@pytest.mark.parametrize(("ours", "theirs", "shape", "settings"), LAYERS)
def test_values_and_gradients_are_paddles(ours, theirs, shape, settings):
    rng = np.random.default_rng(0)
    one, other = ours(*shape, **settings), theirs(*shape, **settings)
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        values = paddle.to_tensor(rng.normal(size=mine.shape).astype(np.float32))
        mine.set_value(values)
        its.set_value(values)
    image = rng.normal(size=(3, shape[0], 12, 10)).astype(np.float32)
    results = []
    for layer in (one, other):
        x = paddle.to_tensor(image, stop_gradient=False)
        y = layer(x)
        (y * y).sum().backward()
        results.append([y.numpy(), x.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for mine, its in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_bias_is_added_to_its_own_channel():
    layer = Conv2D(2, 3, 1)
    layer.weight.set_value(paddle.zeros_like(layer.weight))
    layer.bias.set_value(paddle.to_tensor([1.0, -2.0, 3.0]))
    y = layer(paddle.ones([2, 2, 4, 5]))
    np.testing.assert_array_equal(y.numpy(), np.broadcast_to([[[1.0]], [[-2.0]], [[3.0]]], (2, 3, 4, 5)))


def test_a_normalised_convolution_has_a_bias_too():
    layer = SpectralConv2D(2, 3, 3, padding=1).eval()
    layer.bias.set_value(paddle.to_tensor([1.0, -2.0, 3.0]))
    x = paddle.randn([2, 2, 6, 6])
    expected = nn.functional.conv2d(x, layer.kernel(), layer.bias, padding=1)
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())


def test_an_exported_graph_gives_the_same(tmp_path):
    network = nn.Sequential(Conv2D(1, 4, 3, padding=1, stride=2), nn.ReLU(), Conv2DTranspose(4, 2, 4, 2, 1)).eval()
    x = paddle.randn([2, 1, 8, 8])
    expected = network(x).numpy()
    spec = [paddle.static.InputSpec([None, 1, 8, 8], "float32")]
    paddle.jit.save(network, str(tmp_path / "network"), input_spec=spec)
    np.testing.assert_allclose(paddle.jit.load(str(tmp_path / "network"))(x).numpy(), expected, atol=1e-6)
