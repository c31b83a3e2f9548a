"""Fillers: what they fill is what the equation says, and what they do not fill they do not touch."""

import numpy as np
import pytest
from scipy import ndimage

from oldrestore.restoration.fill.biharmonic import Biharmonic
from oldrestore.restoration.fill.harmonic import Harmonic, solve_laplace
from oldrestore.restoration.fill.holes import depths, find_holes
from oldrestore.restoration.fill.opencv import OpenCV
from oldrestore.restoration.fill.split import FillBySize, small_holes
from oldrestore.restoration.stages import Filler
from tests.generated_photographs import make_photograph

FILLERS = {
    "biharmonic": Biharmonic(),
    "harmonic": Harmonic(),
    "telea": OpenCV("telea"),
    "navier_stokes": OpenCV("navier_stokes"),
    "split": FillBySize(Biharmonic(), Harmonic(), 4),
}


def disc(shape, row, column, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


@pytest.mark.parametrize("name", FILLERS)
def test_known_pixels_and_gray_stay_and_what_stands_in_holes_does_not_matter(name):
    shape = (80, 80)
    fill, rgb = FILLERS[name], make_photograph(1)
    mask = disc(shape, 20, 20, 3) | disc(shape, 50, 50, 12) | disc(shape, 0, 70, 5)
    mask[60, 5:40] = True
    assert isinstance(fill, Filler)
    before = rgb.copy()
    other = rgb.copy()
    other[mask] = np.random.default_rng(0).integers(0, 256, (mask.sum(), 3))
    filled, from_other = fill(rgb, mask), fill(other, mask)
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[~mask], rgb[~mask])
    np.testing.assert_array_equal(filled, from_other)
    np.testing.assert_array_equal(rgb, before)
    assert not np.shares_memory(filled, rgb)
    gray = fill(np.repeat(rgb[..., 1:2], 3, axis=-1), mask)
    assert (gray == gray[..., :1]).all()


@pytest.mark.parametrize("name", FILLERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 3), (40, 40)])
def test_all_or_nothing_is_filled_at_any_size(name, shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    nothing, everything = np.zeros(shape, bool), np.ones(shape, bool)
    np.testing.assert_array_equal(FILLERS[name](rgb, nothing), rgb)
    assert (FILLERS[name](rgb, everything) == 128).all()
    if everything.size > 1:
        everything[0, 0] = False
        rgb[0, 0] = (10, 90, 200)
        filled = FILLERS[name](rgb, everything)
        np.testing.assert_array_equal(filled[0, 0], rgb[0, 0])


@pytest.mark.parametrize("name", ["biharmonic", "harmonic", "split"])
def test_a_ramp_is_continued_exactly(name):
    """Both equations are solved by a + b x + c y, away from the photograph's edge."""
    y, x = np.mgrid[:80, :80]
    ramp = np.stack([40 + x, 20 + 2 * y, 200 - x - y], axis=-1).clip(0, 255).astype(np.uint8)
    mask = disc((80, 80), 40, 40, 12) | disc((80, 80), 12, 60, 2)
    error = FILLERS[name](ramp, mask).astype(int) - ramp
    assert np.abs(error).max() <= 1  # rounding


def test_laplace_is_solved():
    """x^2 - y^2 is harmonic, also for the four-neighbour mean; so is what relaxation converges to."""
    y, x = np.mgrid[:24, :24].astype(np.float64)
    picture = np.stack([x**2 - y**2, x * y], axis=-1)
    hole = disc((24, 24), 11, 12, 8)
    solved = solve_laplace(np.where(hole[..., None], 0, picture), hole)
    np.testing.assert_allclose(solved, picture, atol=1e-3)

    rng = np.random.default_rng(3)
    picture = rng.uniform(0, 255, (24, 24, 1))
    hole[:5, :5] = True  # at the corner, where pixels have two or three neighbours
    relaxed = np.where(hole, 128.0, picture[..., 0])
    kernel = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    count = ndimage.convolve(np.ones_like(relaxed), kernel, mode="constant")
    for _ in range(4000):
        relaxed = np.where(hole, ndimage.convolve(relaxed, kernel, mode="constant") / count, relaxed)
    np.testing.assert_allclose(solve_laplace(picture, hole)[..., 0], relaxed, atol=1e-2)


def test_biharmonic_is_that_of_scikit_image():
    from skimage.restoration import inpaint_biharmonic

    rgb, mask = make_photograph(4), disc((80, 80), 40, 30, 6)
    whole = inpaint_biharmonic(np.where(mask[..., None], 0, rgb) / 255.0, mask, channel_axis=-1)
    around = ndimage.binary_dilation(mask, np.ones((3, 3))) & ~mask
    expected = np.clip(np.round(whole * 255), rgb[around].min(axis=0), rgb[around].max(axis=0))
    expected = np.where(mask[..., None], expected, rgb).astype(int)
    assert np.abs(Biharmonic()(rgb, mask).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("fill", "small"), [(Biharmonic, Biharmonic(largest=200)), (Harmonic, Harmonic(largest=200))])
def test_holes_solved_in_pieces_are_near_those_solved_at_once(fill, small):
    y, x = np.mgrid[:160, :160]
    smooth = np.stack([128 + 80 * np.sin(x / 40), 128 + 80 * np.cos(y / 30), 255 * x * y / 160**2], axis=-1)
    rgb = np.round(smooth).astype(np.uint8)
    mask = disc((160, 160), 80, 80, 25)
    mask[10, 3:150] = True
    difference = small(rgb, mask).astype(int) - fill()(rgb, mask)
    assert np.abs(difference).max() <= 8
    assert np.abs(difference[mask]).mean() < 1.5


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize(("fill", "most"), [(Biharmonic(largest=500), 8), (Harmonic(largest=500), 2)])
def test_a_ramp_is_continued_over_many_tiles(fill, most, gray):
    """To the rounding of the ramp, which the biharmonic equation, continuing slopes, magnifies."""
    y, x = np.mgrid[:451, :523]
    ramp = np.stack([20 + x / 3, 30 + y / 3, 230 - (x + y) / 6], axis=-1)
    rgb = np.round(ramp[..., [0, 0, 0]] if gray else ramp).astype(np.uint8)
    mask = disc((451, 523), 231, 260, 190)
    mask[30, 3:500] = True
    error = np.abs(fill(rgb, mask).astype(int) - rgb)
    assert error.max() <= most
    assert error[mask].mean() < most / 4


def test_holes_have_the_size_that_they_have():
    mask = np.zeros((60, 90), bool)
    mask[30, 10:50] = True  # a line
    mask[5:14, 60:69] = True  # a square: its middle is 5 from outside
    mask[50:52, 80:82] = True
    mask[50:52, 86:88] = True  # four pixels away: the same hole
    labels, holes = find_holes(mask)
    assert sorted((hole.area, round(hole.depth, 3)) for hole in holes) == [(8, 1.0), (40, 1.0), (81, 5.0)]
    for hole in holes:
        assert (labels[hole.rows, hole.columns] == hole.label).sum() == hole.area
        assert (labels == hole.label).sum() == hole.area
        assert min(hole.rows.start, hole.columns.start) >= 0
    np.testing.assert_array_equal(labels > 0, mask)
    np.testing.assert_allclose(depths(mask), ndimage.distance_transform_edt(mask), atol=1e-4)


def test_the_split_is_by_depth_or_area():
    line, square = np.zeros((2, 60, 90), bool)
    line[30, 10:50] = square[5:14, 60:69] = True
    mask = line | square
    cases = (
        (1, "depth", line),
        (4.9, "depth", line),
        (5, "depth", mask),
        (40, "area", line),
        (39, "area", mask & False),
    )
    for largest, measure, small in cases:
        np.testing.assert_array_equal(small_holes(mask, largest, measure), small)

    def painter(value):
        return lambda rgb, hole: np.where(hole[..., None], value, rgb).astype(np.uint8)

    filled = FillBySize(painter(1), painter(2), 2)(np.zeros((60, 90, 3), np.uint8), mask)
    np.testing.assert_array_equal(filled[..., 0], line * 1 + square * 2)
