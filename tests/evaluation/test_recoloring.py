"""Colour at full size in float32, some rows at a time: against the same thing in float64 and all at once."""

import tracemalloc

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from oldrestore.color.joining import interpolated_rows, joined_rows
from oldrestore.color.lab import rgb_to_lightness
from oldrestore.evaluation.prediction import recolor_rows
from tests.generated_photographs import make_photograph
from tests.models.plain_layers import bilinear


@pytest.mark.parametrize("threads", ["1", "3"])
def test_at_most_one_level_from_float64_on_few_pixels(threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    rgb = make_photograph(0, 700)[:531]
    ab = np.random.default_rng(0).normal(0, 25, (48, 64, 2))
    full = bilinear(ab.transpose(2, 0, 1)[None], (531, 700))[0].transpose(1, 2, 0)
    L = rgb2lab(rgb / 255.0)[..., :1]
    with np.errstate(invalid="ignore"):
        expected = np.rint(lab2rgb(np.concatenate([L, full], axis=-1)) * 255).astype(int)
    L_hw = rgb_to_lightness(rgb)
    found = recolor_rows(L_hw, interpolated_rows(ab.astype(np.float32), L_hw.shape))
    differing = np.abs(found.astype(int) - expected)
    assert differing.max() <= 1
    assert (differing > 0).any(axis=-1).mean() < 1e-3


def test_threads_do_not_show(monkeypatch):
    rgb = make_photograph(1, 700)[:531]
    L_hw = rgb_to_lightness(rgb)
    ab = np.random.default_rng(1).normal(0, 25, (48, 64, 2)).astype(np.float32)
    made = []
    for threads in ("1", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        made.append(recolor_rows(L_hw, joined_rows(ab, L_hw, 6.0)))
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("prepare", [joined_rows, interpolated_rows])
def test_colour_is_nowhere_kept_at_full_size(prepare, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    L_hw = np.random.default_rng(3).uniform(0, 100, (1500, 2000)).astype(np.float32)
    ab = np.zeros((48, 64, 2), np.float32)
    tracemalloc.start()
    try:
        color = prepare(ab, L_hw, 6.0) if prepare is joined_rows else prepare(ab, L_hw.shape)
        joined = recolor_rows(L_hw, color)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Beside the result of 9 MB: colour at full size would be 24 MB in float32 and 48 MB in float64.
    assert peak - joined.nbytes < 16e6
