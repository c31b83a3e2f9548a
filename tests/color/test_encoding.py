"""Soft encoding: on a CPU and as on a GPU, the bins and weights that sorting all 313 distances gives."""

import numpy as np
import paddle
import pytest

from oldrestore.color.bins import AB_BINS, BLOCK
from oldrestore.color.encoding_paddle import SoftEncoder, fine_table, soft_encode_bkhw, sorting_network
from tests.color.plain_color import encode_with_paddle, soft_encode


def exact_points() -> np.ndarray:
    """Random colours, colours far out of gamut, and all those on the borders of cells and between bins.

    Coordinates are multiples of 1/64, whose squared distances are exact in float32 too: ties are true ties.
    """
    rng = np.random.default_rng(0)
    random = np.round(rng.uniform(-110, 110, (4000, 2)) * 64) / 64
    outside = np.round(rng.uniform(-200, 200, (1000, 2)) * 64) / 64
    fives = 5.0 * np.arange(-27, 28)
    lattice = np.stack(np.meshgrid(fives, fives), axis=-1).reshape(-1, 2)
    beside = lattice + rng.choice([-1 / 64, 1 / 64], lattice.shape)
    return np.concatenate([random, outside, lattice, beside]).astype(np.float32)


def colours() -> np.ndarray:
    """Colours as photographs have them, far ones, and all that lie on borders of fine cells or next to them."""
    rng, axis = np.random.default_rng(0), np.arange(-132.5, 133, 1.25)
    lattice = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    beside = np.nextafter(lattice.astype(np.float32), np.float32(np.inf))
    near, far = rng.normal(0, 20, (3 * BLOCK + 7, 2)), rng.uniform(-1e4, 1e4, (500, 2))
    return np.concatenate([near, far, lattice, beside]).astype(np.float32)


def encode_as_on_a_gpu(ab: np.ndarray, neighbours: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    ab_b2hw = paddle.to_tensor(np.ascontiguousarray(ab.T.reshape(1, 2, 1, -1)))
    encoded = SoftEncoder(neighbours, sigma).encode_on_device(ab_b2hw)
    return tuple(x.numpy()[0, :, 0].T for x in encoded)


@pytest.mark.parametrize("neighbours", [1, 2, 5, 10, 16, 17])
@pytest.mark.parametrize(
    ("encode", "ab"),
    [(encode_with_paddle, exact_points), (encode_as_on_a_gpu, exact_points), (encode_with_paddle, colours)],
)
def test_soft_encoding_against_brute_force(encode, ab, neighbours):
    expected_indices, expected_weights = soft_encode(ab(), neighbours, 5.0)
    indices, weights = encode(ab(), neighbours, 5.0)
    assert indices.dtype == np.int64 and weights.dtype == np.float32
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(weights, expected_weights, rtol=2e-6, atol=1e-30)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 5.0, 1e4])
def test_far_colours_and_extreme_sigmas_keep_weights_that_sum_to_one(sigma):
    ab = np.array([[-130, -130], [130, 130], [1e9, -1e9], [0, 0], [5, 5]], np.float32)
    for encode in (encode_with_paddle, encode_as_on_a_gpu):
        weights = encode(ab, 10, sigma)[1]
        assert np.isfinite(weights).all()
        np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, BLOCK, BLOCK + 1])
def test_any_number_of_colours(count):
    indices, weights = soft_encode_bkhw(np.zeros((1, 2, 1, count), np.float32), 1, 5.0)
    assert indices.shape == weights.shape == (1, 1, 1, count)
    assert (AB_BINS[indices] == 0).all() and (weights == 1).all()


def test_several_photographs_and_any_strides():
    ab_bhw2 = np.random.default_rng(1).uniform(-90, 90, (3, 5, 4, 2)).astype(np.float32)
    ab_b2hw = ab_bhw2.transpose(0, 3, 1, 2)
    expected = [x.transpose(0, 3, 1, 2) for x in soft_encode(ab_bhw2)]
    strided = soft_encode_bkhw(ab_b2hw, 5, 5.0)
    assert all(x.flags.c_contiguous for x in strided)
    for indices, weights in (strided, [x.numpy() for x in SoftEncoder()(paddle.to_tensor(ab_b2hw))]):
        np.testing.assert_array_equal(indices, expected[0])
        np.testing.assert_allclose(weights, expected[1], rtol=1e-6)
    with pytest.raises(ValueError, match="B, 2, h, w"):
        SoftEncoder()(paddle.zeros([1, 3, 4, 4]))


@pytest.mark.parametrize("width", range(1, 24))
def test_a_network_sorts_what_is_wanted(width):
    """A network that sorts every row of zeros and ones sorts everything (Knuth, volume 3, 5.3.4, theorem Z)."""
    if width <= 12:
        rows = (np.arange(2**width)[:, None] >> np.arange(width)) & 1
    else:
        rows = np.random.default_rng(width).integers(0, 2, (20_000, width))
    for wanted in {1, width // 2 + 1, width}:
        columns = rows.T.copy()
        for one, other in sorting_network(width, wanted):
            assert one < other
            columns[one], columns[other] = np.minimum(*columns[[one, other]]), np.maximum(*columns[[one, other]])
        np.testing.assert_array_equal(columns[:wanted].T, np.sort(rows, axis=1)[:, :wanted])


def test_cells_hold_few_more_bins_than_are_asked_for():
    assert fine_table(10).counts.min() == 10
    assert fine_table(10).counts.max() <= 16
