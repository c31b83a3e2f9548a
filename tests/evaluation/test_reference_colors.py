"""Colours that need no network, against NumPy and scikit-image."""

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab
from skimage.measure import block_reduce

from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.reference_colors import eighth_of_resolution, mean_color, quarter_of_chroma, recolored
from tests.generated_photographs import make_photograph


def enlarged(values, axis):
    """Interpolate linearly between the centres of pixels that are 8 times as wide; the rims stay constant."""
    n = values.shape[axis]
    at, centres = np.arange(8 * n) + 0.5, 8 * np.arange(n) + 4.0
    return np.apply_along_axis(lambda line: np.interp(at, centres, line), axis, values)


def test_the_mean_colour_counts_each_photograph_once():
    photos = [make_photograph(0, 16), make_photograph(1, 48)]
    expected = np.mean([rgb2lab(rgb)[..., 1:].mean(axis=(0, 1)) for rgb in photos], axis=0)
    assert mean_color(photos) == pytest.approx(expected, abs=1e-3)


def test_a_quarter_of_the_chroma_keeps_lightness_and_hue():
    rgb = np.array([[[200, 60, 40], [30, 90, 160]], [[128, 128, 128], [90, 160, 70]]], np.uint8)
    L, C = (rgb2lab(rgb)[..., 0], rgb2lab(rgb)[..., 1:])
    expected = lab2rgb(np.concatenate([L[..., None], C / 4], axis=-1)) * 255
    shown = recolored(rgb_to_lab(rgb), "quarter_chroma")
    np.testing.assert_allclose(shown, expected, atol=0.51)
    np.testing.assert_allclose(quarter_of_chroma(C.astype(np.float32)), C / 4, rtol=1e-6)


@pytest.mark.parametrize("shape", [(16, 40), (64, 24), (8, 8)])
def test_an_eighth_of_the_resolution_is_block_means_interpolated(shape):
    ab = np.random.default_rng(0).normal(0, 30, (*shape, 2)).astype(np.float32)
    means = block_reduce(ab.astype(np.float64), (8, 8, 1), np.mean)
    np.testing.assert_allclose(eighth_of_resolution(ab), enlarged(enlarged(means, 0), 1), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 30), (61, 84)])
def test_other_sizes_keep_the_mean_and_what_is_constant(shape):
    ab = np.broadcast_to(np.float32([12.5, -7.0]), (*shape, 2))
    np.testing.assert_allclose(eighth_of_resolution(ab), ab, atol=1e-5)
    ramp = np.linspace(-20, 20, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    found = eighth_of_resolution(np.stack([ramp, -ramp], axis=-1))
    assert found.shape == (*shape, 2)
    assert found[..., 0].mean() == pytest.approx(ramp.mean(), abs=0.3)
    assert ramp.min() <= found[..., 0].min() <= found[..., 0].max() <= ramp.max()
