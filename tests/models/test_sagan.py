"""SAGAN for photographs: what it keeps, what it starts from, that it learns, and what its discriminator sees."""

from functools import partial

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch, Prediction
from oldrestore.data.inputs.holes import HoleInputs
from oldrestore.errors import UserError
from oldrestore.losses.regression import L1
from oldrestore.losses.restoration import KnownUnknownL1
from oldrestore.models.attention import SelfAttention
from oldrestore.models.patch_discriminator import PatchDiscriminator
from oldrestore.models.sagan import SaganColorizer, SaganRestorer, harmonic_fill, mean_fill
from oldrestore.models.spectral_norm import SpectralConv2D
from oldrestore.training.supervised import SupervisedLearner
from tests.models.overfitting import pixels


def batch(count: int = 4, size: int = 32) -> Batch:
    return HoleInputs()(pixels(count, size), [str(i) for i in range(count)], np.random.default_rng(0))


@pytest.fixture
def restorer():
    paddle.seed(0)
    return SaganRestorer(width=0.125)


def test_known_pixels_stay_and_an_untrained_network_gives_about_its_start(restorer):
    restorer.eval()
    one = batch()
    rgb = restorer(one.damaged_b3hw, one.hole_b1hw).rgb.numpy()
    hole = np.broadcast_to(one.hole_b1hw.numpy() > 0, rgb.shape)
    np.testing.assert_array_equal(rgb[~hole], one.rgb_b3hw.numpy()[~hole])
    start = restorer.starting_fill(one.damaged_b3hw, one.hole_b1hw).numpy()
    assert 0 < np.abs(rgb - start)[hole].max() < 0.05
    restorer.output = "full"
    assert np.abs(restorer(one.damaged_b3hw, one.hole_b1hw).rgb.numpy() - rgb)[~hole].max() > 0


def test_what_stands_in_the_holes_is_not_looked_at(restorer):
    restorer.eval()
    one = batch()
    other = paddle.where(one.hole_b1hw.astype("bool"), paddle.ones_like(one.rgb_b3hw), one.damaged_b3hw)
    np.testing.assert_allclose(
        restorer(other, one.hole_b1hw).rgb.numpy(), restorer(one.damaged_b3hw, one.hole_b1hw).rgb.numpy(), atol=1e-6
    )


def test_without_a_mask_there_are_no_holes_and_without_a_photograph_it_says_so(restorer):
    restorer.eval()
    one = batch()
    np.testing.assert_array_equal(restorer(one.rgb_b3hw).rgb.numpy(), one.rgb_b3hw.numpy())
    with pytest.raises(UserError, match="inputs=holes"):
        restorer(None, None)


@pytest.mark.parametrize(("scale", "positions"), [(4, 64), (8, 16)])
def test_attention_is_at_the_scale_asked_for(scale, positions):
    network = SaganColorizer(width=0.125, attention_scale=scale)
    seen = []
    network.trunk.attention.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].shape[-2:]))
    network(batch(1).L_b1hw)
    assert int(np.prod(seen[0])) == positions


def test_every_convolution_but_the_head_is_normalised(restorer):
    plain = [
        n
        for n, s in restorer.named_sublayers()
        if isinstance(s, paddle.nn.Conv2D) and not isinstance(s, SpectralConv2D)
    ]
    assert plain == ["head"]
    for layer in restorer.sublayers():
        if isinstance(layer, SpectralConv2D):
            for _ in range(50):
                weight = layer.kernel().numpy()
            assert np.linalg.svd(weight.reshape(len(weight), -1))[1][0] == pytest.approx(1.0, abs=0.02)


def test_colour_is_in_lab_units_at_full_size():
    network = SaganColorizer(width=0.125)
    network.head.bias.set_value(np.array([10.0, -10.0], np.float32))
    ab = network.decode(network(batch(2).L_b1hw))
    assert ab.shape == [2, 2, 32, 32]
    np.testing.assert_allclose(ab.numpy().mean(axis=(0, 2, 3)), [110.0, -110.0], atol=0.1)


@pytest.mark.parametrize(
    ("network", "loss", "share"),
    # From the mean colour, so that there is more to learn than a smooth fill leaves.
    [(partial(SaganRestorer, start="mean"), KnownUnknownL1, 0.4), (SaganColorizer, L1, 0.4)],
)
def test_it_overfits_four_photographs(network, loss, share):
    paddle.seed(0)
    learner = SupervisedLearner(network(width=0.125), loss(), partial(paddle.optimizer.Adam, learning_rate=4e-3))
    one = batch()
    losses = [float(learner.step([one], i)["loss"]) for i in range(60)]
    assert losses[-1] < share * losses[0]


def test_mean_fill_is_the_mean_of_what_is_known():
    picture = paddle.to_tensor(np.array([[1.0, 2.0], [6.0, 99.0]], np.float32)[None, None])
    hole = paddle.to_tensor(np.array([[0.0, 0.0], [0.0, 1.0]], np.float32)[None, None])
    np.testing.assert_allclose(mean_fill(picture, hole).numpy()[0, 0], [[1, 2], [6, 3]])


def test_harmonic_fill_keeps_what_is_known_and_constants():
    hole = np.zeros((1, 1, 7, 10), np.float32)
    hole[..., 2:5, 3:9] = 1
    picture = np.random.default_rng(0).uniform(size=(1, 3, 7, 10)).astype(np.float32)
    filled = harmonic_fill(paddle.to_tensor(picture), paddle.to_tensor(hole)).numpy()
    known = np.broadcast_to(hole == 0, picture.shape)
    np.testing.assert_array_equal(filled[known], picture[known])
    gray = harmonic_fill(paddle.full([1, 3, 7, 10], 0.6), paddle.to_tensor(hole)).numpy()
    np.testing.assert_allclose(gray, 0.6, atol=1e-6)


def test_harmonic_fill_is_about_the_solution_of_laplaces_equation():
    height, width = 16, 24
    y, x = np.mgrid[:height, :width]
    picture = (np.sin(x / 3) + np.cos(y / 4 + x / 9)).astype(np.float32)
    hole = (np.hypot(y - 7, x - 9) < 5) | ((x > 18) & (y > 9))
    unknown = {place: index for index, place in enumerate(zip(*np.nonzero(hole), strict=True))}
    matrix, right = np.zeros((len(unknown), len(unknown))), np.zeros(len(unknown))
    for (row, column), index in unknown.items():
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < height and 0 <= c < width:  # outside, the pixel stands for itself
                matrix[index, index] += 1
                if hole[r, c]:
                    matrix[index, unknown[r, c]] -= 1
                else:
                    right[index] += picture[r, c]
    exact = np.linalg.solve(matrix, right)
    masks = [paddle.to_tensor(a.astype(np.float32)[None, None]) for a in (picture, hole)]
    error = np.abs(harmonic_fill(*masks).numpy()[0, 0][hole] - exact)
    mean_error = np.abs(mean_fill(*masks).numpy()[0, 0][hole] - exact)
    assert error.mean() < 0.1 * mean_error.mean()
    assert error.max() < 0.2 * mean_error.max()


def test_gradients_flow_after_a_fill():
    # A decorator that switches gradients off does not survive recursion; this is what such a mistake would break.
    harmonic_fill(paddle.rand([1, 3, 8, 8]), paddle.ones([1, 1, 8, 8]))
    x = paddle.ones([1], dtype="float32")
    x.stop_gradient = False
    (x * 2).backward()
    assert x.grad.item() == 2.0


def test_the_discriminator_sees_the_photograph_and_the_holes():
    discriminator = PatchDiscriminator(width=0.125)
    one = batch(2)
    shown = discriminator.shown_real(Prediction(rgb=one.rgb_b3hw * 0), one).numpy()
    np.testing.assert_allclose(shown[:, :3], one.rgb_b3hw.numpy() * 2 - 1, atol=1e-6)
    np.testing.assert_array_equal(shown[:, 3:], one.hole_b1hw.numpy())
    verdict = discriminator(paddle.to_tensor(shown))
    assert verdict.scores.shape == [2, 1, 4, 4]
    assert [f.shape[-1] for f in verdict.features] == [16, 8, 4, 4]


def test_the_discriminator_sees_colour_beside_its_lightness():
    discriminator = PatchDiscriminator(judges="ab", width=0.125, attention_scale=None)
    one = batch(2)
    shown = discriminator.shown_real(Prediction(ab=paddle.zeros([2, 2, 16, 16])), one).numpy()
    np.testing.assert_allclose(shown[:, :2], one.ab_b2hw.numpy()[:, :, ::2, ::2] / 110, atol=1e-6)
    L = one.L_b1hw.numpy().reshape(2, 1, 16, 2, 16, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(shown[:, 2:], (L - 50) / 50, atol=1e-5)
    assert not any(isinstance(layer, SelfAttention) for layer in discriminator.sublayers())


def test_photographs_that_are_not_there_are_asked_for():
    plain = Batch(paddle.zeros([1, 1, 8, 8]), paddle.zeros([1, 2, 8, 8]))
    with pytest.raises(UserError, match="inputs=holes"):
        PatchDiscriminator(width=0.125).shown_real(Prediction(rgb=paddle.zeros([1, 3, 8, 8])), plain)
