"""How hints reach a decoder: pooling, tones and regions by NumPy, the product with a Gaussian by closed form."""

import numpy as np
import paddle
import pytest
from scipy.ndimage import correlate

from oldrestore.color.bins import AB_BINS
from oldrestore.engines.export_rewriting import interpolation_matrix
from oldrestore.models.hinting import HINT_SIGMA, STRIDES, TONES, TRUST, Hinting, pooled_hints, spread_over, tone_parts

SIZE = 64


def some_hints(seed: int = 0, count: int = 12) -> np.ndarray:
    """float32 (2, 3, SIZE, SIZE): single pixels of random colours, some with part of their weight, and a patch."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((2, 1, SIZE, SIZE), np.float32)
    for photo, row, column in zip(rng.integers(0, 2, count), *rng.integers(0, SIZE, (2, count)), strict=True):
        mask[photo, 0, row, column] = rng.choice([0.25, 1.0])
    mask[1, 0, 20:29, 33:42] = 1.0
    return np.concatenate([rng.uniform(-80, 80, (2, 2, SIZE, SIZE)).astype(np.float32) * mask, mask], axis=1)


def pooled_by_numpy(hints: np.ndarray, stride: int) -> np.ndarray:
    squares = hints.astype(np.float64).reshape(2, 3, SIZE // stride, stride, SIZE // stride, stride).sum(axis=(3, 5))
    weight = squares[:, 2:]
    mean = np.divide(squares[:, :2], weight, out=np.zeros_like(squares[:, :2]), where=weight > 0)
    hinted = np.minimum(weight, 1.0)
    return np.concatenate([mean / 50.0 * hinted, hinted], axis=1)


def test_squares_have_the_mean_of_their_hinted_pixels():
    hints = some_hints()
    for stride, pooled in zip(STRIDES, pooled_hints(paddle.to_tensor(hints)), strict=True):
        np.testing.assert_allclose(pooled.numpy(), pooled_by_numpy(hints, stride), atol=2e-5)


@pytest.mark.parametrize("where", [(0, 0), (63, 63), (17, 40)])
def test_one_pixel_is_seen_at_every_stride(where):
    hints = np.zeros((1, 3, SIZE, SIZE), np.float32)
    hints[0, :, where[0], where[1]] = 60.0, -20.0, 1.0
    for stride, pooled in zip(STRIDES, pooled_hints(paddle.to_tensor(hints)), strict=True):
        seen = pooled.numpy()[0]
        np.testing.assert_allclose(seen[:, where[0] // stride, where[1] // stride], [1.2, -0.4, 1.0], atol=1e-4)
        assert np.count_nonzero(seen[2]) == 1


@pytest.mark.parametrize("reach", [(1, None), (2, 3), (None,)])
def test_kinds_of_places_spread_hints_as_numpy_does(reach):
    rng = np.random.default_rng(1)
    places = SIZE // 8
    parts = np.exp(rng.normal(0, 2, (2, 5, places, places)))
    parts /= parts.sum(axis=1, keepdims=True)
    pooled = pooled_by_numpy(some_hints(), 8)
    arguments = (paddle.to_tensor(array.astype(np.float32)) for array in (parts, pooled))
    spread = [hints.numpy() for hints in spread_over(*arguments, reach)]
    of_kinds = parts[:, :, None] * pooled[:, None]  # (B, kinds, 3, h, w)
    tent = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])[None, None, None]
    for found, rounds in zip(spread, reach, strict=True):
        if rounds is None:
            reached = np.broadcast_to(of_kinds.sum(axis=(3, 4), keepdims=True), of_kinds.shape)
        else:
            reached = of_kinds.reshape(2, 5, 3, places // 4, 4, places // 4, 4).sum(axis=(4, 6))
            for _ in range(rounds):
                reached = correlate(reached, tent, mode="constant")
            for side in (places // 4, places // 2):
                matrix = interpolation_matrix(side, 2 * side, "bilinear")
                reached = matrix @ reached @ matrix.T
        sums = (parts[:, :, None] * reached).sum(axis=1)
        np.testing.assert_allclose(found, sums / (sums[:, 2:] + 0.1), atol=1e-5)


def test_lightness_is_between_two_tones():
    L = np.array([0.0, 3.0, 10.0, 56.0, 100.0], np.float32).reshape(1, 1, 1, 5)
    parts = tone_parts(paddle.to_tensor(L), paddle.to_tensor(TONES[None, :, None, None])).numpy()[0, :, 0]
    np.testing.assert_allclose(parts.sum(axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose(TONES @ parts, L.ravel(), atol=1e-5)
    assert (np.count_nonzero(parts > 1e-6, axis=0) == [1, 2, 1, 2, 1]).all()


def test_a_place_takes_its_regions_color_from_any_distance():
    # Two regions, left and right: a click on the left colours the left and nothing else.
    parts = np.zeros((1, 2, 8, 8), np.float32)
    parts[:, 0, :, :4] = parts[:, 1, :, 4:] = 1.0
    pooled = np.zeros((1, 3, 8, 8), np.float32)
    pooled[0, :, 7, 0] = 1.2, -0.4, 1.0
    (far,) = spread_over(paddle.to_tensor(parts), paddle.to_tensor(pooled), (None,))
    expected = np.zeros((1, 3, 8, 8), np.float32)
    expected[0, :, :, :4] = np.array([1.2, -0.4, 1.0])[:, None, None] / 1.1
    np.testing.assert_allclose(far.numpy(), expected, atol=1e-6)


def test_a_distribution_is_flattened_and_multiplied_by_a_gaussian_around_each_hint():
    paddle.seed(0)
    rng = np.random.default_rng(2)
    hinting = Hinting([6, 8, 8, 8])
    hinting.eval()
    features = rng.normal(0, 1, (1, 6, 3, 4)).astype(np.float32)
    own = rng.normal(0, 3, (1, 313, 3, 4)).astype(np.float32)
    colors, hinted = rng.uniform(-60, 60, (len(TRUST), 2)), rng.uniform(0, 1, len(TRUST))
    spread = [
        paddle.to_tensor(np.tile(np.append(c / 50, 1.0)[None, :, None, None] * w, (1, 1, 3, 4)).astype(np.float32))
        for c, w in zip(colors, hinted, strict=True)
    ]
    logits = hinting.logits(paddle.to_tensor(own), paddle.to_tensor(features), spread).numpy()[0]
    weight, bias = hinting.trust.weight.numpy()[:, :, 0, 0], hinting.trust.bias.numpy()
    learnt = np.logaddexp(0, np.einsum("kc,chw->khw", weight, features[0]) + bias[:, None, None])
    trusted, doubted = np.split(learnt * np.tile(hinted, 2)[:, None, None], 2)
    distances = ((AB_BINS[:, None] - colors[None]) ** 2).sum(axis=2)
    gaussians = np.einsum("qk,khw->qhw", -distances / (2 * HINT_SIGMA**2), trusted)
    expected = own[0] / (1.0 + doubted.sum(axis=0)) + gaussians
    # Logits that differ by a number of each place are the same distribution.
    np.testing.assert_allclose(logits - logits.mean(axis=0), expected - expected.mean(axis=0), rtol=1e-4, atol=2e-3)


def test_nothing_changes_without_hints():
    hinting = Hinting([6, 8, 8, 8])
    pooled = pooled_hints(paddle.zeros([1, 3, SIZE, SIZE]))
    features = paddle.rand([1, 8, SIZE // 8, SIZE // 8])
    spread = hinting.spread(paddle.rand([1, 1, SIZE, SIZE]), features, pooled)
    assert all((hints.numpy() == 0).all() for hints in spread)
    own = paddle.rand([1, 313, 16, 16])
    np.testing.assert_array_equal(hinting.logits(own, paddle.rand([1, 6, 16, 16]), spread).numpy(), own.numpy())
