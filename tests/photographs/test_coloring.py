"""Colour at full resolution: worked on in bands, with nothing to show for it."""

import numpy as np
import pytest

from oldrestore.color.lab import gray_rgb8, lab_to_rgb8, rgb_to_lab
from oldrestore.evaluation import prediction
from oldrestore.photographs import coloring
from oldrestore.photographs.hint_file import Hint
from tests.generated_photographs import make_photograph


@pytest.mark.parametrize("pixels", [1, 100, 1000, 2**20])
def test_bands_do_not_show(pixels, monkeypatch):
    monkeypatch.setattr(prediction, "PIXELS_AT_ONCE", pixels)
    rgb = make_photograph(0, 90)[:71]
    lab = rgb_to_lab(rgb)
    np.testing.assert_array_equal(coloring.lightness(rgb), lab[..., 0])
    np.testing.assert_array_equal(coloring.in_gray(lab[..., 0]), gray_rgb8(lab[..., 0]))
    ab = np.random.default_rng(0).normal(0, 30, (71, 90, 2)).astype(np.float32)
    expected = lab_to_rgb8(np.concatenate([lab[..., :1], ab], axis=-1))
    np.testing.assert_array_equal(prediction.recolor(lab[..., 0], ab), expected)


def test_panels_are_of_a_size_that_can_be_looked_at():
    small = make_photograph(0, 50)
    assert coloring.reduced(small) is small
    assert coloring.reduced(np.zeros((3000, 1500, 3), np.uint8)).shape == (1024, 512, 3)


def test_before_the_outputs_stand_the_original_and_what_networks_see_of_it():
    gray, rgb = np.full((40, 60, 3), 119, np.uint8), make_photograph(0, 60)
    assert list(coloring.before_outputs(gray)) == ["Original"]
    shown = coloring.before_outputs(rgb)
    assert list(shown) == ["Original", "Input"] and shown["Original"] is rgb
    np.testing.assert_array_equal(shown["Input"], gray_rgb8(rgb_to_lab(rgb)[..., 0]))
    shown = coloring.before_outputs(gray, [Hint(20, 10, 5, (40.0, 30.0)), Hint(50, 30, 0, (-30.0, 0.0))])
    y, x = np.mgrid[:40, :60]
    discs = [(x - 20) ** 2 + (y - 10) ** 2 <= 25, (x - 50) ** 2 + (y - 30) ** 2 <= coloring.LEAST_RADIUS**2]
    seen = shown["Input with hints"]
    for disc, ab in zip(discs, [(40, 30), (-30, 0)], strict=True):
        np.testing.assert_allclose(rgb_to_lab(seen[disc])[:, 1:], np.tile(ab, (disc.sum(), 1)), atol=1)
    np.testing.assert_array_equal(seen[~(discs[0] | discs[1])], gray[~(discs[0] | discs[1])])
