"""What a protocol measures on is cut as it says, with the filter that it names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.cropping.evaluation_crops import EvaluationCrops

RGB = np.random.default_rng(0).integers(0, 256, (60, 95, 3), dtype=np.uint8)


@pytest.mark.parametrize("fit", ["shorter_side", "squash"])
@pytest.mark.parametrize("size", [32, 60, 200])
@pytest.mark.parametrize("rgb", [RGB, RGB.transpose(1, 0, 2), np.tile(RGB, (1, 12, 1))], ids=["wide", "tall", "strip"])
def test_bicubic_is_what_data_sets_do(fit, size, rgb):
    theirs = Crops(size=size, crop=size, fit=fit, evaluation_size=size).evaluation(np.ascontiguousarray(rgb))
    ours = EvaluationCrops(size, fit, "bicubic").evaluation(rgb)
    assert (ours == theirs).all()
    assert ours.flags.c_contiguous


def test_a_box_averages_whole_pixels():
    ours = EvaluationCrops(30, "squash", "box").evaluation(RGB[:, :60])
    means = RGB[:, :60].astype(float).reshape(30, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(ours - means).max() <= 1  # Pillow rounds twice, once in each direction


@pytest.mark.parametrize("name", ["bicubic", "bilinear", "lanczos", "box"])
def test_each_filter_is_pillows(name):
    theirs = Image.fromarray(RGB).resize((40, 40), getattr(Image.Resampling, name.upper()))
    assert (EvaluationCrops(40, "squash", name).evaluation(RGB) == np.asarray(theirs)).all()


def test_the_central_square_is_taken():
    rgb = np.zeros((10, 30, 3), np.uint8)
    rgb[:, 10:20] = 200
    assert (EvaluationCrops(10, "shorter_side", "box").evaluation(rgb) == 200).all()
