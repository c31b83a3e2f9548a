"""The class-conditional pair: sizes, parameter counts worked out from the layer table, and some stable steps."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from oldrestore.losses.adversarial import Hinge
from oldrestore.models.sagan_imagenet import ConditionalBatchNorm, ProjectionDiscriminator, SaganImageGenerator
from oldrestore.models.weights import parameter_count


def conv(inputs: int, outputs: int, kernel: int, bias: bool = True) -> int:
    return inputs * outputs * kernel * kernel + (outputs if bias else 0)


def attention(c: int) -> int:
    return 2 * conv(c, c // 8, 1, False) + conv(c, c // 2, 1, False) + conv(c // 2, c, 1, False) + 1


def generator_parameters(c: int, classes: int) -> int:
    """Layer table of the generator for c channels at 128 pixels."""
    # (inputs, outputs) of the blocks that end at 8, 16, 32, 64 and 128 pixels; two class tables a norm.
    table = [(16 * c, 16 * c), (16 * c, 8 * c), (8 * c, 4 * c), (4 * c, 2 * c), (2 * c, c)]
    blocks = sum(conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1) + 2 * classes * (a + b) for a, b in table)
    first = 128 * 16 * c * 16 + 16 * c * 16  # 128 numbers of noise to 4 x 4 of 16 c channels
    last = 2 * c + conv(c, 3, 3)
    return first + blocks + attention(4 * c) + last


def discriminator_parameters(c: int, classes: int) -> int:
    """Layer table of the discriminator for c channels at 64 pixels."""
    table = [(3, c), (c, 2 * c), (2 * c, 4 * c), (4 * c, 8 * c), (8 * c, 16 * c)]
    blocks = sum(conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1) for a, b in table)
    unhalved = 2 * conv(16 * c, 16 * c, 3)  # no shortcut convolution where nothing changes
    return blocks + unhalved + attention(2 * c) + (16 * c + 1) + classes * 16 * c


def test_parameters_are_those_of_the_layer_table():
    assert parameter_count(SaganImageGenerator(width=1 / 8, classes=10)) == generator_parameters(8, 10)
    assert parameter_count(ProjectionDiscriminator(width=1 / 8, classes=10)) == discriminator_parameters(8, 10)


@pytest.mark.slow
def test_parameters_at_full_width():
    assert parameter_count(SaganImageGenerator()) == generator_parameters(64, 1000) == 42_078_852
    assert parameter_count(ProjectionDiscriminator()) == discriminator_parameters(64, 1000)


@pytest.fixture
def pair():
    paddle.seed(0)
    return SaganImageGenerator(width=1 / 64, classes=4, noise=8), ProjectionDiscriminator(width=1 / 16, classes=4)


def noise(seed: int, count: int = 4) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32))


def test_sizes(pair):
    generator, discriminator = pair
    classes = paddle.to_tensor([0, 1, 2, 3])
    made = generator(noise(0), classes)
    assert made.shape == [4, 3, 128, 128]
    assert float(made.abs().max()) <= 1.0
    assert discriminator(made, classes).shape == [4, 1]


def test_the_score_depends_on_the_class_by_the_projection_alone(pair):
    _, discriminator = pair
    discriminator.eval()
    photo = paddle.to_tensor(np.random.default_rng(0).uniform(-1, 1, (1, 3, 128, 128)).astype(np.float32))
    table = discriminator.classes.spectral_weight().numpy()
    scores = [discriminator(photo, paddle.to_tensor([c])).item() for c in range(4)]
    discriminator.classes.weight.set_value(np.zeros(table.shape, np.float32))
    without = discriminator(photo, paddle.to_tensor([0])).item()
    assert len({round(score, 6) for score in scores}) == 4
    assert [discriminator(photo, paddle.to_tensor([c])).item() for c in range(4)] == [without] * 4


def test_conditional_batch_norm_is_the_closed_form():
    layer = ConditionalBatchNorm(3, 2)
    rng = np.random.default_rng(0)
    scale, shift = rng.normal(size=(2, 2, 3)).astype(np.float32)
    layer.scale.weight.set_value(scale)
    layer.shift.weight.set_value(shift)
    x = rng.normal(2.0, 3.0, size=(4, 3, 5, 5)).astype(np.float32)
    classes = np.array([0, 1, 1, 0])
    ours = layer(paddle.to_tensor(x), paddle.to_tensor(classes)).numpy()
    mean, variance = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    normalised = (x - mean) / np.sqrt(variance + 1e-5)
    expected = (1 + scale[classes][:, :, None, None]) * normalised + shift[classes][:, :, None, None]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_some_steps_are_stable(pair):
    generator, discriminator = pair
    generator.train()
    discriminator.train()
    game = Hinge()
    make = {"beta1": 0.0, "beta2": 0.9}
    g = paddle.optimizer.Adam(1e-4, parameters=generator.parameters(), **make)
    d = paddle.optimizer.Adam(4e-4, parameters=discriminator.parameters(), **make)
    classes = paddle.to_tensor([0, 1, 2, 3])
    photos = np.random.default_rng(1).uniform(-1, 1, (4, 3, 16, 16)).repeat(8, axis=2).repeat(8, axis=3)
    real = paddle.to_tensor(photos.astype(np.float32))
    d_losses = []
    for step in range(6):
        fake = generator(noise(step), classes)
        d_loss = game.discriminator(discriminator(real, classes), discriminator(fake.detach(), classes))
        d_loss.backward()
        d.step()
        d.clear_grad()
        g_loss = game.generator(discriminator(fake, classes))
        g_loss.backward()
        g.step()
        g.clear_grad()
        d.clear_grad()
        d_losses.append(d_loss.item())
        assert np.isfinite(g_loss.item())
        assert abs(g_loss.item()) < 10
    assert d_losses[-1] < d_losses[0]
    assert all(np.isfinite(p.numpy()).all() for p in generator.parameters())
