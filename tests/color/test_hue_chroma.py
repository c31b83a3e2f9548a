"""Hue and chroma: exact where they must be, circular at the seam, equal to NumPy and pixel by pixel."""

import math

import numpy as np
import paddle
import pytest

from oldrestore.color.hue_chroma_paddle import (
    CHROMA_LIMIT,
    decode_histograms_nchw,
    window_histograms_at,
    window_histograms_nchw,
)
from oldrestore.color.lab import rgb_to_lab
from tests.color.plain_color import to_hue_chroma, window_histograms

STEP = CHROMA_LIMIT / 31


def decode_with_paddle(hue, chroma, fading=0.03):
    tensors = (paddle.to_tensor(np.asarray(h, np.float32).T[None, :, None]) for h in (hue, chroma))
    return decode_histograms_nchw(*tensors, fading).numpy()[0, :, 0].T


def random_colors(shape=(9, 11), seed=0):
    return np.random.default_rng(seed).uniform(-90, 90, (*shape, 2))


def test_every_colour_of_srgb_lies_below_the_limit():
    cube = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), axis=-1).astype(np.uint8).reshape(1, -1, 3)
    _, chroma = to_hue_chroma(rgb_to_lab(cube)[..., 1:])
    assert 133.0 < chroma.max() < 134.0 < CHROMA_LIMIT


@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("bins", [8, 32])
def test_histograms_against_the_definition(window, bins):
    ab = random_colors()
    ab[:6, :5] = 0.0  # windows without hue
    tensor = paddle.to_tensor(ab.astype(np.float32).transpose(2, 0, 1)[None])
    for ours, expected in zip(
        window_histograms_nchw(tensor, window, bins), window_histograms(ab, window, bins), strict=True
    ):
        np.testing.assert_allclose(ours.numpy()[0].transpose(1, 2, 0), expected, atol=1e-5)


@pytest.mark.parametrize("window", [1, 7])
def test_histograms_at_positions_are_those_of_the_whole(window):
    ab = np.stack([random_colors(seed=s) for s in (1, 2)]).astype(np.float32)
    ab[1, :5, :5] = 0.0
    positions = np.random.default_rng(3).integers(0, [9, 11], (2, 40, 2))
    positions[:, :4] = [[0, 0], [8, 10], [0, 10], [8, 0]]
    tensor = paddle.to_tensor(ab.transpose(0, 3, 1, 2))
    whole = window_histograms_nchw(tensor, window)
    some = window_histograms_at(tensor, paddle.to_tensor(positions), window)
    for all_bqhw, some_bq1n in zip(whole, some, strict=True):
        assert some_bq1n.shape == [2, 32, 1, 40]
        for photo in range(2):
            rows, columns = positions[photo].T
            expected = all_bqhw.numpy()[photo][:, rows, columns]
            np.testing.assert_allclose(some_bq1n.numpy()[photo, :, 0], expected, atol=1e-5)


def test_a_colour_survives_encoding_and_decoding():
    ab = random_colors((200,))
    hue, chroma = to_hue_chroma(ab)
    alone = window_histograms_nchw(paddle.to_tensor(ab.astype(np.float32).T[None, :, None]), window=1)
    decoded = decode_histograms_nchw(*alone).numpy()[0, :, 0].T
    hue_back, chroma_back = to_hue_chroma(decoded)
    np.testing.assert_allclose(chroma_back, chroma, rtol=1e-5)
    turn = np.abs((hue_back - hue + np.pi) % (2 * np.pi) - np.pi)
    assert np.degrees(turn).max() < 0.01


def test_the_mean_hue_across_the_seam_is_across_the_seam():
    # +-170 degrees: the mean is 180, not 0. And the seam of the bins, at 0, likewise.
    chroma = np.zeros((2, 32))
    chroma[:, 10] = 1.0
    hue = np.zeros((2, 36))
    hue[0, [17, 19]] = 0.5
    hue[1, [1, 35]] = 0.5
    ab = decode_with_paddle(hue, chroma, 0.0)
    np.testing.assert_allclose(ab, [[-10 * STEP, 0], [10 * STEP, 0]], atol=1e-3)


def test_expectation_and_fading_by_hand():
    hue, chroma = np.zeros((3, 32)), np.zeros((3, 32))
    chroma[:, [4, 8]] = [0.75, 0.25]  # expected: 5 bins
    hue[0, 8] = 1.0  # sure: b alone, |z| = 1/32 > 0.03, no fading
    hue[1, [0, 8]] = 0.5  # resultant sqrt(1/2): |z| = 0.0221 of 0.03
    hue[2] = 1 / 32  # uniform: no direction, no colour
    ab = decode_with_paddle(hue, chroma)
    faded = 5 * STEP * (math.sqrt(0.5) / 32) / 0.03
    np.testing.assert_allclose(ab[0], [0, 5 * STEP], atol=1e-4)
    np.testing.assert_allclose(ab[1], [faded * math.sqrt(0.5)] * 2, rtol=1e-5)
    np.testing.assert_allclose(ab[2], [0, 0], atol=1e-4)
    np.testing.assert_allclose(decode_with_paddle(hue, chroma, 0.0)[1], [5 * STEP * math.sqrt(0.5)] * 2, rtol=1e-5)


def test_one_bin_probabilities_stay_finite():
    assert np.isfinite(decode_with_paddle(np.full((1, 32), 1 / 32), np.full((1, 32), 1 / 32), 0.0)).all()
