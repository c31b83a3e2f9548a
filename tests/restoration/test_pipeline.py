"""The stages: what each is given, what it makes, and which photographs are taken for gray."""

from __future__ import annotations

import numpy as np
import pytest

from oldrestore.restoration.detect.base import Detection
from oldrestore.restoration.fill.harmonic import Harmonic
from oldrestore.restoration.pipeline import Pipeline
from oldrestore.restoration.toned import has_colors
from tests.photographs import make_photograph


def white(rgb):
    mask = (rgb == 255).all(axis=-1)
    return Detection(mask, mask.astype(np.float32))


def darker(rgb):
    return (rgb // 2).astype(np.uint8)


def brighter(rgb):
    return (rgb + 10).astype(np.uint8)


def scratched():
    rgb = np.clip(make_photograph(0), 0, 250)
    damaged = rgb.copy()
    damaged[30, 5:60] = 255
    return rgb, damaged


def test_the_stages_follow_one_another():
    _, damaged = scratched()
    before = damaged.copy()
    made = Pipeline(white, Harmonic(), [darker, brighter])(damaged)
    mask = white(damaged).mask_hw
    np.testing.assert_array_equal(made.mask_hw, mask)
    np.testing.assert_array_equal(made.filled, Harmonic()(damaged, mask))
    np.testing.assert_array_equal(made.restored, brighter(darker(made.filled)))
    np.testing.assert_array_equal(made.picture, made.restored)
    np.testing.assert_array_equal(made.structure, made.filled)
    np.testing.assert_array_equal(damaged, before)


def test_each_stage_can_be_left_out():
    _, damaged = scratched()
    nothing = Pipeline()(damaged)
    assert nothing.picture is damaged
    assert nothing.mask_hw is None
    found = Pipeline(white)(damaged)
    assert found.picture is damaged
    assert found.mask_hw.sum() == 55
    tones = Pipeline(restore=[darker])(damaged)
    assert tones.filled is None
    np.testing.assert_array_equal(tones.picture, darker(damaged))
    np.testing.assert_array_equal(Pipeline(white, Harmonic())(damaged).picture, Harmonic()(damaged, found.mask_hw))


def test_a_mask_takes_the_place_of_the_detector():
    _, damaged = scratched()
    mask = np.zeros(damaged.shape[:2], bool)
    mask[10:12] = True
    made = Pipeline(white, Harmonic())(damaged, mask)
    np.testing.assert_array_equal(made.mask_hw, mask)
    np.testing.assert_array_equal(made.filled[30], damaged[30])
    with pytest.raises(ValueError, match="does not fit"):
        Pipeline(white, Harmonic())(damaged, mask[:-1])


def sepia(gray):
    dark, light = np.array([46, 30, 18]), np.array([250, 236, 208])
    return np.round(dark + gray / 255 * (light - dark)).astype(np.uint8)


@pytest.mark.parametrize("seed", [1, 2, 3, 5])
def test_gray_and_toned_photographs_have_no_colours(seed):
    rgb = make_photograph(seed, 200)
    gray = np.repeat(rgb[..., 1:2], 3, axis=-1)
    assert has_colors(rgb)
    assert not has_colors(gray)
    assert not has_colors(sepia(gray))
    noise = np.random.default_rng(seed).normal(0, 6, rgb.shape)
    assert not has_colors(np.clip(sepia(gray) + noise, 0, 255).astype(np.uint8))
    stained = gray.copy()
    stained[10:40, 10:40] = stained[10:40, 10:40] * np.array([1.0, 0.8, 0.5])
    assert not has_colors(stained)  # 2% of the pixels
    assert not has_colors(np.zeros((1, 1, 3), np.uint8))
