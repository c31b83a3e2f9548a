"""larsson: one prediction by two ways, the published size, and that it learns."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional

from oldrestore.data.inputs.sparse_positions import SparsePositions
from oldrestore.losses.histogram import HueChromaDivergence
from oldrestore.models.larsson import Larsson
from oldrestore.models.weights import parameter_count
from tests.models.overfitting import photographs, pixels, train


def make_network(width=0.0625, seed=0, **settings) -> Larsson:
    paddle.seed(seed)
    return Larsson(width=width, **settings)


def lightness(batch=2, height=64, width=96, seed=0) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(seed).uniform(0, 100, (batch, 1, height, width)).astype(np.float32))


def trained_a_little(**settings) -> Larsson:
    """A network whose running statistics and heads are not those of the start."""
    network = make_network(**settings)
    for head in (network.hue, network.chroma):
        head.weight.set_value(head.weight * 100.0)
    network.train()
    for seed in range(3):
        network(lightness(seed=seed), paddle.zeros([2, 1, 2], dtype="int64"))
    network.eval()
    return network


@paddle.no_grad()
def test_every_pixel_by_stripes_is_what_positions_give():
    network = trained_a_little()
    positions = np.stack(np.meshgrid(np.arange(64), np.arange(96), indexing="ij"), axis=-1).reshape(-1, 2)
    positions = paddle.to_tensor(np.stack([positions] * 2))
    at_positions = network(lightness(), positions)
    assert at_positions.hue_logits.shape == [2, 32, 1, 64 * 96]
    for tile in (1, 64 * 7 * 2, 16384):  # a row at a time; rows that do not divide the height; all at once
        network.tile = tile
        whole = network(lightness())
        for name in ("hue_logits", "chroma_logits"):
            dense, sparse = getattr(whole, name).numpy(), getattr(at_positions, name).numpy()
            assert dense.shape == (2, 32, 64, 96) and np.abs(dense).max() > 1
            np.testing.assert_allclose(dense, sparse.reshape(dense.shape), atol=1e-5)


@paddle.no_grad()
def test_hypercolumns_are_the_levels_interpolated_bilinearly_and_concatenated():
    # Paddle's own interpolation, and one matrix over all channels.
    network, features = trained_a_little(), [(lightness() - 50.0) / 100.0]
    for layer in network.children():
        if isinstance(layer, paddle.nn.Sequential):
            layer.register_forward_post_hook(lambda layer, inputs, output: features.append(output))
    ours = network(lightness()).hue_logits.numpy()
    column = paddle.concat([functional.interpolate(x, (64, 96), mode="bilinear") for x in features], axis=1)
    assert len(features) == 16 and column.shape[1] == 1 + 2 * 4 + 2 * 8 + 3 * 16 + 6 * 32 + 2 * 256
    hidden = functional.relu(network.hidden(column.transpose([0, 2, 3, 1])))
    expected = network.hue(hidden).transpose([0, 3, 1, 2]).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_gradients_at_positions_are_those_of_the_whole():
    L, rng = lightness(1, 64, 64), np.random.default_rng(1)
    positions = paddle.to_tensor(rng.integers(0, 64, (1, 30, 2)))
    grads = []
    for sparse in (True, False):
        network = trained_a_little()
        prediction = network(L, positions if sparse else None)
        logits = prediction.hue_logits
        if not sparse:
            rows, columns = positions[0].numpy().T
            logits = logits.transpose([2, 3, 0, 1])[rows, columns]
        logits.square().sum().backward()
        grads.append({name: p.grad.numpy() for name, p in network.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys() and "conv1_1.0.weight" in grads[0]
    for name, gradient in grads[0].items():
        np.testing.assert_allclose(gradient, grads[1][name], atol=1e-4 * np.abs(gradient).max(), err_msg=name)


@pytest.mark.parametrize(
    ("width", "batch_norm"), [(0.125, True), (0.125, False), pytest.param(1.0, True, marks=pytest.mark.slow)]
)
def test_number_of_parameters(width, batch_norm):
    a, b, c, d, t, hidden = (int(n * width) for n in (64, 128, 256, 512, 4096, 1024))
    convolutions = 9 * (1 * a + a * a + a * b + b * b + b * c + 2 * c * c + c * d + 5 * d * d)
    shifts = 2 * a + 2 * b + 3 * c + 6 * d
    top = 49 * d * t + t + t * t + t
    column = 1 + shifts + 2 * t
    heads = (column + 1) * hidden + 2 * (hidden + 1) * 32
    expected = convolutions + shifts + top + heads
    assert parameter_count(make_network(width=width, batch_norm=batch_norm)) == expected
    if width == 1.0:
        assert (column, expected) == (12_417, 147_041_024)


def history(network, steps, count, positions, learning_rate):
    inputs, loss, rgb = SparsePositions(count=positions), HueChromaDivergence(), pixels(count)

    def loss_at(step):
        batch = inputs(rgb, (), np.random.default_rng(step))
        return loss(network(batch.L_b1hw, batch.positions_bn2), batch)

    return train(network, loss_at, steps, learning_rate=learning_rate)


def test_it_overfits_four_photographs():
    network, batch = make_network(), photographs()
    losses = history(network, 30, 4, 64, 4e-3)
    assert np.mean(losses[-5:]) < 0.35 * losses[0]
    # It has learnt their colours: what it decodes is nearer to the truth than gray is.
    with paddle.no_grad():
        error = (network.decode(network(batch.L_b1hw)) - batch.ab_b2hw).square().mean()
        assert float(error) < 0.4 * float(batch.ab_b2hw.square().mean())


def test_the_same_seed_gives_the_same_losses():
    one, other = (history(make_network(dropout=0.5), 3, 2, 16, 1e-3) for _ in range(2))
    assert one == other


@paddle.no_grad()
def test_an_untrained_network_says_every_bin_alike_and_no_colour():
    network = make_network()
    network.eval()
    prediction = network(lightness(1, 32, 32))
    for logits in (prediction.hue_logits, prediction.chroma_logits):
        entropy = -(functional.softmax(logits, axis=1) * functional.log_softmax(logits, axis=1)).sum(axis=1)
        assert float(entropy.min()) > 0.99 * np.log(32)
    assert float(network.decode(prediction).abs().max()) < 10.0
