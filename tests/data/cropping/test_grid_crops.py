"""Crops from a fixed set of places."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from oldrestore.data.cropping.grid_crops import GridCrops, _halton


def ramps(height: int = 100, width: int = 150) -> np.ndarray:
    """A picture whose red is its column and whose green is its row."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


def test_halton_is_scipys():
    reference = qmc.Halton(3, scramble=False).random(20)[1:]
    ours = [[_halton(number, base) for base in (2, 3, 5)] for number in range(1, 20)]
    np.testing.assert_allclose(ours, reference, atol=1e-12)


def test_there_are_twice_as_many_crops_as_variants():
    crops = GridCrops(size=100, crop=32, variants=5, smallest=0.5)
    seen = {crops.train(ramps(), np.random.default_rng(seed)).tobytes() for seed in range(300)}
    expected = [crops.variant(ramps(), number) for number in range(5)]
    assert seen == {c.tobytes() for c in expected} | {np.ascontiguousarray(c[:, ::-1]).tobytes() for c in expected}


def test_without_mirroring_nothing_is_mirrored():
    crops = GridCrops(size=100, crop=32, mirror=False, variants=3)
    for seed in range(20):
        red = crops.train(ramps(), np.random.default_rng(seed))[..., 0].astype(int)
        assert (np.diff(red, axis=1) >= 0).all()


def test_a_variant_is_the_square_that_its_halton_point_says():
    crops = GridCrops(size=100, crop=50, variants=8, smallest=0.5)
    scale, down, right = _halton(3, 2), _halton(3, 3), _halton(3, 5)
    side = 100 * (0.5 + 0.5 * scale)
    square = crops.variant(ramps(), 2).astype(float)
    # The ramps' means are the square's centre, to within rounding.
    assert square[..., 0].mean() == pytest.approx(right * (150 - side) + side / 2 - 0.5, abs=0.6)
    assert square[..., 1].mean() == pytest.approx(down * (100 - side) + side / 2 - 0.5, abs=0.6)
    assert square[25, -1, 0] - square[25, 0, 0] == pytest.approx(side * 49 / 50, abs=2)
