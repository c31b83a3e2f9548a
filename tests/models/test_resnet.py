"""resnet: its size, its blocks against NumPy, and that it learns."""

import numpy as np
import paddle
import pytest

from oldrestore.losses.dispersion import MseDispersion
from oldrestore.models.resnet import ResNet
from oldrestore.models.weights import parameter_count
from tests.models.overfitting import photographs, train
from tests.models.plain_layers import conv, norm, relu


def make_network(width=0.03125, seed=0, **settings) -> ResNet:
    paddle.seed(seed)
    return ResNet(width=width, **settings)


def lightness(batch=2, height=64, width=96) -> paddle.Tensor:
    rng = np.random.default_rng(0)
    return paddle.to_tensor(rng.uniform(0, 100, (batch, 1, height, width)).astype(np.float32))


def normalize(x, layer):
    return norm(x, *(parameter.numpy() for parameter in (layer.weight, layer.bias, layer._mean, layer._variance)))


@paddle.no_grad()
def test_a_residual_block_against_numpy():
    network = make_network()
    network.train()
    network(lightness())  # so that running statistics are not those of the start
    network.eval()
    block = network.down[1]
    x = np.random.default_rng(1).normal(size=(1, 4, 6, 8)).astype(np.float32)
    inner = relu(normalize(conv(x, block.conv1.weight.numpy(), stride=2), block.norm1))
    inner = normalize(conv(inner, block.conv2.weight.numpy()), block.norm2)
    short = normalize(conv(x, block.shortcut.weight.numpy(), stride=2), block.shortcut_norm)
    expected = relu(inner + short)
    assert expected.shape == (1, 8, 3, 4)
    np.testing.assert_allclose(block(paddle.to_tensor(x)).numpy(), expected, atol=1e-5)


def test_running_statistics_keep_half():
    network = make_network()
    before = network.down[0].norm1._variance.numpy()
    network.train()
    features = network.down[0].conv1((lightness() - 50.0) / 100.0).numpy()
    network(lightness())
    count = features.size / features.shape[1]
    variance = features.var(axis=(0, 2, 3))
    after = network.down[0].norm1._variance.numpy()
    kept = (after - variance) / (before - variance)
    np.testing.assert_allclose(kept, 0.5, atol=5 / count + 1e-3)


@pytest.mark.parametrize("width", [0.125, pytest.param(1.0, marks=pytest.mark.slow)])
def test_number_of_parameters(width):
    c128, c256, c512, c1024, c2048, c64 = (int(c * width) for c in (128, 256, 512, 1024, 2048, 64))

    def residual(i, o):  # two 3 x 3, a 1 x 1 on the shortcut, three batch norms
        return 9 * i * o + 9 * o * o + i * o + 3 * 2 * o

    def doubling(i, o):  # 4 x 4 and a batch norm
        return 16 * i * o + 2 * o

    expected = residual(1, c128) + residual(c128, c256) + residual(c256, c512) + residual(c512, c1024)
    expected += residual(c1024, c2048) + doubling(c2048, c1024) + doubling(c1024, c512) + doubling(c512, c256)
    expected += doubling(c256, c128) + doubling(c128, c64) + 9 * c64 * 2 + 2
    assert parameter_count(make_network(width=width)) == expected
    if width == 1.0:
        assert expected == 122_861_058


@paddle.no_grad()
def test_it_predicts_full_size_and_starts_with_faint_colour():
    network = make_network(width=0.125)
    prediction = network(lightness())
    assert prediction.ab.shape == [2, 2, 64, 96]
    assert 3.0 < float(prediction.ab.std()) < 30.0
    np.testing.assert_array_equal(network.decode(prediction).numpy(), prediction.ab.numpy())


def test_it_overfits_four_photographs():
    network, batch = make_network(width=0.0625), photographs()
    loss = MseDispersion(denominator="mean")
    losses = train(network, lambda _: loss(network(batch.L_b1hw), batch), 80, learning_rate=2e-3, beta1=0.8)
    assert np.mean(losses[-5:]) < 0.15 * losses[0]
    network.eval()
    with paddle.no_grad():
        error = (network.decode(network(batch.L_b1hw)) - batch.ab_b2hw).square().mean()
    assert float(error) < 0.3 * float(batch.ab_b2hw.square().mean())
