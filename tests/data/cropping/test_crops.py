"""Resizing and cropping: sizes, places and the random stream."""

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import RESIZE_FILTER, Crops
from oldrestore.errors import UserError


def coordinates(height, width):
    """Pixels that say where they stand: (row, column, 0)."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((100, 200), (50, 100)), ((200, 100), (100, 50)), ((10, 15), (50, 75)), ((7, 7), (50, 50))],
)
def test_prepare_resizes_the_shorter_side(shape, expected):
    assert Crops(50, 40).prepare(np.zeros((*shape, 3), np.uint8)).shape == (*expected, 3)


def test_squash():
    crops = Crops(50, 40, fit="squash", evaluation_size=30)
    photo = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    np.testing.assert_array_equal(
        crops.prepare(photo), np.asarray(Image.fromarray(photo).resize((50, 50), RESIZE_FILTER))
    )
    assert crops.evaluation(photo).shape == (30, 30, 3)


def test_resizing_is_antialiased():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    prepared = Crops(16, 16).prepare(stripes)
    assert np.abs(prepared.astype(int) - 127).max() <= 6  # without antialiasing: 0 or 255


def test_evaluation_cuts_the_centre():
    photo = coordinates(40, 100)
    np.testing.assert_array_equal(Crops(40, 40).evaluation(photo), photo[:, 30:70])
    assert Crops(40, 40, evaluation_size=24).evaluation(photo).shape == (24, 24, 3)


def test_a_thin_strip_does_not_explode():
    assert Crops(96, 64).prepare(np.zeros((2, 5000, 3), np.uint8)).shape == (96, 768, 3)


def test_training_crops_cover_every_place_and_both_directions():
    crops, photo = Crops(10, 8), coordinates(10, 12)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(600):
        square = crops.train(photo, rng)
        assert square.shape == (8, 8, 3)
        top, left = int(square[0, 0, 0]), int(square[0, :, 1].min())
        mirrored = square[0, 0, 1] > square[0, 1, 1]
        expected = photo[top : top + 8, left : left + 8]
        np.testing.assert_array_equal(square, expected[:, ::-1] if mirrored else expected)
        seen.add((top, left, bool(mirrored)))
    assert len(seen) == 3 * 5 * 2


def test_no_mirror_and_the_same_generator_gives_the_same_crop():
    crops, photo = Crops(10, 8, mirror=False), coordinates(10, 12)
    for seed in range(20):
        square = crops.train(photo, np.random.default_rng(seed))
        assert square[0, 0, 1] < square[0, 1, 1]
        np.testing.assert_array_equal(square, crops.train(photo, np.random.default_rng(seed)))


def test_a_crop_larger_than_the_photograph_is_refused():
    with pytest.raises(UserError, match=r"crops\.crop = 64 is larger than crops\.size = 32"):
        Crops(size=32, crop=64)
