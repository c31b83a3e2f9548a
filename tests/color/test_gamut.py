"""Colours outside sRGB lose chroma, not lightness: against bisection in float64 with scikit-image's conversions."""

import numpy as np
import pytest
from skimage.color import lab2xyz, rgb2lab
from skimage.color.colorconv import rgb_from_xyz

from oldrestore.color.gamut import lab_to_rgb8_in_gamut, largest_chroma
from oldrestore.color.lab import lab_to_rgb8

pytestmark = pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")


def grid(step_of_L: float, step: float) -> np.ndarray:
    """Every lightness with every a and b of -128..128."""
    ab = np.arange(-128, 128.5, step)
    return np.stack(np.meshgrid(np.arange(0, 100.1, step_of_L), ab, ab, indexing="ij"), axis=-1)


def shown(lab: np.ndarray) -> np.ndarray:
    """Whether sRGB has these colours, as scikit-image and float64 say."""
    linear = lab2xyz(lab) @ rgb_from_xyz.T
    f_z = (lab[..., 0] + 16) / 116 - lab[..., 2] / 200  # scikit-image clips negative ones
    return (f_z >= 0) & ((linear >= -1e-5) & (linear <= 1.0001)).all(axis=-1)


def test_lightness_and_hue_are_kept_everywhere():
    lab = grid(2.5, 8).reshape(-1, 3)
    rgb = lab_to_rgb8_in_gamut(lab.astype(np.float32))
    found = rgb2lab(rgb / 255.0)
    assert np.abs(found[:, 0] - lab[:, 0]).max() < 0.5
    inside = shown(lab)
    np.testing.assert_array_equal(rgb[inside], lab_to_rgb8(lab[inside]))
    # Units of a and b off the line from gray to the colour that was asked for: 8 bits are as coarse as that.
    chroma = np.hypot(*found[:, 1:].T)
    turned = np.abs(found[:, 1] * lab[:, 2] - found[:, 2] * lab[:, 1]) / np.maximum(np.hypot(*lab[:, 1:].T), 1e-9)
    assert turned.max() < 1.0
    assert chroma[(lab[:, 0] == 0) | (lab[:, 0] == 100)].max() < 0.02


def test_as_much_chroma_stays_as_there_is_room_for():
    rng = np.random.default_rng(0)
    L, hue = rng.uniform(0, 100, 3000), rng.uniform(0, 2 * np.pi, 3000)
    direction = np.stack([np.cos(hue), np.sin(hue)], axis=-1)
    low, high = np.zeros(3000), np.full(3000, 150.0)
    for _ in range(30):
        middle = (low + high) / 2
        fits = shown(np.concatenate([L[:, None], middle[:, None] * direction], axis=-1))
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    error = largest_chroma(np.concatenate([L[:, None], 200 * direction], axis=-1)) - low
    # The ridge of yellow is thinner than the table's steps.
    assert np.abs(np.quantile(error, [0.005, 0.995])).max() < 1.0
    assert np.abs(error).mean() < 0.05


def test_black_and_white_stay_neutral_where_clipping_made_them_blue_and_yellow():
    bars = np.float32([[0, 20, -60], [100, -5, 40], [0.3, 20, -60], [99.6, -5, 40]])
    assert np.ptp(lab_to_rgb8(bars).astype(int), axis=1).min() > 40
    black, white, nearly_black, nearly_white = lab_to_rgb8_in_gamut(bars)
    assert (black.tolist(), white.tolist()) == ([0, 0, 0], [255, 255, 255])
    assert np.ptp(nearly_black.astype(int)) <= 12 and np.ptp(nearly_white.astype(int)) <= 6  # (0, 0, 11)
