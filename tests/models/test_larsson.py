"""larsson: one prediction by two ways, the published size, and that it learns."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional

from oldrestore.batch import Batch
from oldrestore.data.inputs.sparse_positions import SparsePositions
from oldrestore.errors import UserError
from oldrestore.losses.histogram import HueChromaDivergence
from oldrestore.models.larsson import Larsson
from oldrestore.models.weights import parameter_count
from tests.generated_photographs import make_photograph


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
    network = trained_a_little()
    levels = network._levels(lightness())
    assert levels[0].shape == [2, 9, 64, 96] and levels[5].shape == [2, 512, 2, 3]
    column = paddle.concat([functional.interpolate(x, (64, 96), mode="bilinear") for x in levels], axis=1)
    np.testing.assert_allclose(column[:, 0].numpy(), (lightness()[:, 0].numpy() - 50) / 100, atol=1e-6)
    hidden = functional.relu(network.hidden(column.transpose([0, 2, 3, 1])))
    expected = network.hue(hidden).transpose([0, 3, 1, 2]).numpy()
    np.testing.assert_allclose(network(lightness()).hue_logits.numpy(), expected, atol=1e-5)


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


@pytest.mark.parametrize("batch_norm", [True, False])
def test_number_of_parameters_at_an_eighth(batch_norm):
    convolutions = 9 * (1 * 8 + 8 * 8 + 8 * 16 + 16 * 16 + 16 * 32 + 2 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    shifts = 2 * 8 + 2 * 16 + 3 * 32 + 6 * 64
    top = 49 * 64 * 512 + 512 + 512 * 512 + 512
    column = 1 + 2 * 8 + 2 * 16 + 3 * 32 + 6 * 64 + 2 * 512
    heads = (column + 1) * 128 + 2 * (128 + 1) * 32
    expected = convolutions + shifts + top + heads
    assert parameter_count(make_network(width=0.125, batch_norm=batch_norm)) == expected


@pytest.mark.slow
def test_number_of_parameters_as_published():
    # VGG-16's thirteen convolutions have 14,714,688 with three input channels; this one has one.
    convolutions = 14_714_688 - 2 * 9 * 64
    top = (49 * 512 + 1) * 4096 + (4096 + 1) * 4096
    assert 1 + 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512 + 2 * 4096 == 12_417
    expected = convolutions + top + 12_418 * 1024 + 2 * 1025 * 32
    assert expected == 147_041_024
    assert parameter_count(make_network(width=1.0)) == expected


def photographs(count=4, size=64) -> paddle.Tensor:
    return paddle.to_tensor(np.stack([make_photograph(seed, size) for seed in range(count)]))


def test_it_overfits_four_photographs():
    network, inputs, loss = make_network(), SparsePositions(count=64), HueChromaDivergence()
    optimizer = paddle.optimizer.Adam(4e-3, parameters=network.parameters())
    rgb, history = photographs(), []
    network.train()
    for step in range(30):
        batch = inputs(rgb, (), np.random.default_rng(step))
        value = loss(network(batch.L_b1hw, batch.positions_bn2), batch)
        value.backward()
        optimizer.step()
        optimizer.clear_grad()
        history.append(float(value))
    assert np.mean(history[-5:]) < 0.35 * history[0]
    # It has learnt their colours: what it decodes is nearer to the truth than gray is.
    with paddle.no_grad():
        batch = Batch.from_rgb(rgb)
        error = (network.decode(network(batch.L_b1hw)) - batch.ab_b2hw).square().mean()
        assert float(error) < 0.4 * float(batch.ab_b2hw.square().mean())


def test_the_same_seed_gives_the_same_losses():
    def losses():
        network, inputs, loss = make_network(dropout=0.5), SparsePositions(count=16), HueChromaDivergence()
        optimizer = paddle.optimizer.Adam(1e-3, parameters=network.parameters())
        values = []
        for step in range(3):
            batch = inputs(photographs(2), (), np.random.default_rng(step))
            value = loss(network(batch.L_b1hw, batch.positions_bn2), batch)
            value.backward()
            optimizer.step()
            optimizer.clear_grad()
            values.append(float(value))
        return values

    assert losses() == losses()


@paddle.no_grad()
def test_an_untrained_network_says_every_bin_alike_and_no_colour():
    network = make_network()
    network.eval()
    prediction = network(lightness(1, 32, 32))
    for logits in (prediction.hue_logits, prediction.chroma_logits):
        entropy = -(functional.softmax(logits, axis=1) * functional.log_softmax(logits, axis=1)).sum(axis=1)
        assert float(entropy.min()) > 0.99 * np.log(32)
    assert float(network.decode(prediction).abs().max()) < 10.0


def test_weights_that_do_not_fit_are_refused(tmp_path):
    from safetensors.numpy import save_file

    network = make_network()
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    save_file(tensors, tmp_path / "whole.safetensors")
    again = make_network(seed=1, weights=str(tmp_path / "whole.safetensors"))
    np.testing.assert_array_equal(again.conv3_2[0].weight.numpy(), network.conv3_2[0].weight.numpy())
    del tensors["fc7.0.weight"]
    save_file(tensors, tmp_path / "part.safetensors")
    with pytest.raises(UserError, match=r"fc7\.0\.weight is missing"):
        make_network(weights=str(tmp_path / "part.safetensors"))
