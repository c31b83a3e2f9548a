"""Resizing and cropping: sizes, places and the random stream."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import qmc

from oldrestore.data.cropping.crops import RESIZE_FILTER, Crops, EvaluationCrops
from oldrestore.data.cropping.grid_crops import GridCrops
from oldrestore.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (60, 95, 3), dtype=np.uint8)


def coordinates(height, width):
    """Pixels that say where they stand: (row, column, 0)."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.uint8)


RAMPS = coordinates(100, 150)


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


@pytest.mark.parametrize("crops", [Crops(100, 32, mirror=False), GridCrops(100, 32, mirror=False, variants=3)])
def test_no_mirror_and_the_same_generator_gives_the_same_crop(crops):
    for seed in range(20):
        square = crops.train(RAMPS, np.random.default_rng(seed))
        assert (np.diff(square[..., 1].astype(int), axis=1) >= 0).all()
        np.testing.assert_array_equal(square, crops.train(RAMPS, np.random.default_rng(seed)))


def test_a_crop_larger_than_the_photograph_is_refused():
    with pytest.raises(UserError, match=r"crops\.crop = 64 is larger than crops\.size = 32"):
        Crops(size=32, crop=64)


def test_a_box_averages_whole_pixels():
    ours = EvaluationCrops(30, "squash", "box").evaluation(RGB[:, :60])
    means = RGB[:, :60].astype(float).reshape(30, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(ours - means).max() <= 1  # Pillow rounds twice, once in each direction


@pytest.mark.parametrize("name", ["bicubic", "bilinear", "lanczos", "box"])
def test_each_filter_of_a_protocol_is_pillows(name):
    theirs = Image.fromarray(RGB).resize((40, 40), getattr(Image.Resampling, name.upper()))
    assert (EvaluationCrops(40, "squash", name).evaluation(RGB) == np.asarray(theirs)).all()


def test_there_are_twice_as_many_crops_as_variants():
    crops = GridCrops(size=100, crop=32, variants=5, smallest=0.5)
    seen = {crops.train(RAMPS, np.random.default_rng(seed)).tobytes() for seed in range(300)}
    expected = [crops.variant(RAMPS, number) for number in range(5)]
    assert seen == {c.tobytes() for c in expected} | {np.ascontiguousarray(c[:, ::-1]).tobytes() for c in expected}


def test_variants_are_the_squares_that_scipys_halton_points_say():
    crops = GridCrops(size=100, crop=50, variants=8, smallest=0.5)
    points = qmc.Halton(3, scramble=False).random(9)[1:]
    for number, (scale, down, right) in enumerate(points):
        side = 100 * (0.5 + 0.5 * scale)
        square = crops.variant(RAMPS, number).astype(float)
        # The ramps' means are the square's centre, to within rounding.
        assert square[..., 1].mean() == pytest.approx(right * (150 - side) + side / 2 - 0.5, abs=0.6)
        assert square[..., 0].mean() == pytest.approx(down * (100 - side) + side / 2 - 0.5, abs=0.6)
        assert square[25, -1, 1] - square[25, 0, 1] == pytest.approx(side * 49 / 50, abs=2)
