import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oldrestore.color import AB_BINS
from oldrestore.color.bins import nearest_bins

paddle = pytest.importorskip("paddle")
from oldrestore.color.encoding_paddle import SoftEncoder  # noqa: E402
from tests.color.plain_color import encode_with_paddle, soft_encode  # noqa: E402


def brute_force(ab: np.ndarray, neighbours: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """All 313 distances of each colour (n, 2) in float64, sorted; equal ones keep the order of the bins."""
    ab = np.clip(ab.astype(np.float64), -130, 130)
    squared = ((ab[:, None] - AB_BINS.astype(np.float64)[None]) ** 2).sum(axis=-1)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :neighbours]
    exponents = -np.take_along_axis(squared, indices, axis=1) / (2 * sigma**2)
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return indices, weights / weights.sum(axis=1, keepdims=True)


def points() -> np.ndarray:
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


def encode_as_on_a_gpu(ab: np.ndarray, neighbours: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    ab_b2hw = paddle.to_tensor(np.ascontiguousarray(ab.T.reshape(1, 2, 1, -1)))
    encoded = SoftEncoder(neighbours, sigma)._encode_on_device(ab_b2hw)
    return tuple(x.numpy()[0, :, 0].T for x in encoded)


@pytest.mark.parametrize("neighbours", [1, 5, 10, 16, 17])
@pytest.mark.parametrize("encode", [soft_encode, encode_with_paddle, encode_as_on_a_gpu])
def test_soft_encoding_against_brute_force(encode, neighbours):
    ab = points()
    expected_indices, expected_weights = brute_force(ab, neighbours, 5.0)
    indices, weights = encode(ab, neighbours, 5.0)
    assert indices.dtype == np.int64 and weights.dtype == np.float32
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)


def test_a_colour_at_a_centre_by_hand():
    indices, weights = encode_with_paddle(np.array([0.0, 0.0]), neighbours=5, sigma=5.0)
    side = np.exp(-2.0)  # 10^2 / (2 5^2)
    np.testing.assert_allclose(weights, np.array([1, side, side, side, side]) / (1 + 4 * side), rtol=1e-6)
    # Itself, then its four neighbours in the order of the bins.
    assert AB_BINS[indices].tolist() == [[0, 0], [-10, 0], [0, -10], [0, 10], [10, 0]]


@pytest.mark.parametrize("sigma", [0.01, 0.5, 5.0, 1e4])
def test_far_colours_and_extreme_sigmas_keep_weights_that_sum_to_one(sigma):
    ab = np.array([[-130, -130], [130, 130], [1e9, -1e9], [0, 0], [5, 5]], np.float32)
    for encode in (encode_with_paddle, encode_as_on_a_gpu):
        weights = encode(ab, 10, sigma)[1]
        assert np.isfinite(weights).all()
        np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(2)), elements=st.floats(-300, 300, width=32)),
    st.integers(1, 30),
    st.floats(0.1, 50),
)
@settings(max_examples=60, deadline=None)
def test_weights_are_a_distribution_that_falls_with_distance(ab, neighbours, sigma):
    indices, weights = encode_with_paddle(ab, neighbours, sigma)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
    assert (np.diff(weights, axis=-1) <= 0).all()
    assert all(len(set(row)) == neighbours for row in indices.tolist())


def test_tensors_of_several_photographs():
    ab_b2hw = np.random.default_rng(1).uniform(-90, 90, (2, 2, 3, 4)).astype(np.float32)
    ab_bhw2 = ab_b2hw.transpose(0, 2, 3, 1)
    indices, weights = SoftEncoder(5, 5.0)(paddle.to_tensor(ab_b2hw))
    expected_indices, expected_weights = soft_encode(ab_bhw2)
    np.testing.assert_array_equal(indices.numpy(), expected_indices.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(weights.numpy(), expected_weights.transpose(0, 3, 1, 2), atol=2e-6)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"1\.\.313"):
        SoftEncoder(0)
    with pytest.raises(ValueError, match=r"1\.\.313"):
        SoftEncoder(314)
    with pytest.raises(ValueError, match="sigma"):
        SoftEncoder(5, 0.0)
    with pytest.raises(ValueError, match="sigma"):
        SoftEncoder(5, float("nan"))
    with pytest.raises(ValueError, match="2 channels"):
        nearest_bins(np.zeros((2, 3)), 5)
    with pytest.raises(ValueError, match="finite"):
        nearest_bins(np.array([np.nan, 0.0]), 5)
    with pytest.raises(ValueError, match="B, 2, h, w"):
        SoftEncoder()(paddle.zeros([1, 3, 4, 4]))
