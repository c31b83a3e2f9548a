"""What must hold for every colour: round trips, soft codes that sum to 1, means within the gamut of the bins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oldrestore.color.bins import AB_BINS, nearest_bin
from oldrestore.color.lab import gray_rgb8, lab_to_rgb, rgb_to_lab, rgb_to_lightness
from tests.color.plain_color import decode_with_paddle, encode_with_paddle
from tests.reliability.conftest import examples

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6)
ab = SHAPES.flatmap(
    lambda shape: hnp.arrays(np.float64, (*shape, 2), elements=st.floats(-140, 140, allow_nan=False, width=64))
)
logits = hnp.arrays(np.float32, (2, 313), elements=st.floats(-50, 50, width=32))


@given(SHAPES.flatmap(lambda shape: hnp.arrays(np.float64, (*shape, 3), elements=st.floats(0, 1, width=32))))
def test_numbers_come_back_nearly(rgb):
    lab = rgb_to_lab(rgb)
    np.testing.assert_allclose(lab_to_rgb(lab), rgb, atol=2e-4)
    np.testing.assert_array_equal(rgb_to_lightness(rgb), lab[..., 0])


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=2), elements=st.floats(0, 100, width=32)))
def test_gray_is_gray_and_keeps_its_lightness(lightness):
    gray = gray_rgb8(lightness)
    assert (gray[..., 0] == gray[..., 1]).all() and (gray[..., 1] == gray[..., 2]).all()
    # Half a step of 8 bits is at most 0.45 of lightness, next to black.
    np.testing.assert_allclose(rgb_to_lab(gray)[..., 0], lightness, atol=0.5)


@examples(40, 640)
@given(ab, st.integers(1, 12) | st.integers(1, 313), st.floats(0.5, 40) | st.floats(1e-300, 1e300))
def test_soft_codes_sum_to_1_and_are_of_the_nearest_bins(ab, neighbours, sigma):
    indices, weights = encode_with_paddle(ab, neighbours, sigma)
    assert indices.shape == weights.shape == (*ab.shape[:-1], neighbours)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert (weights >= 0).all()
    assert (np.diff(weights, axis=-1) <= 1e-6).all(), "a nearer bin weighs less than a farther one"
    assert (np.sort(indices, -1)[..., 1:] != np.sort(indices, -1)[..., :-1]).all(), "a bin comes twice"
    # By brute force: no bin that is left out is nearer than one that is in.
    distances = np.linalg.norm(np.clip(ab, -130, 130)[..., None, :] - AB_BINS, axis=-1)
    chosen = np.take_along_axis(distances, indices, -1)
    np.testing.assert_allclose(chosen, np.sort(distances, -1)[..., :neighbours], atol=1e-3)
    np.testing.assert_array_equal(indices[..., 0], nearest_bin(ab))


@given(logits, st.floats(0, 100))
def test_the_annealed_mean_lies_among_the_bins(logits, temperature):
    found = decode_with_paddle(logits, temperature)
    assert found.shape == (2, 2)
    assert (found >= AB_BINS.min(0) - 1e-3).all() and (found <= AB_BINS.max(0) + 1e-3).all()
    if temperature >= 0.1:
        # A constant more in every score changes nothing. (Of the mode it may change which of two rounds to the higher.)
        np.testing.assert_allclose(decode_with_paddle(logits.astype(np.float64) + 7, temperature), found, atol=0.05)
