import subprocess
import sys

import numpy as np
import pytest
from skimage import color as skimage_color

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS, nearest_bin
from tests.evaluation.plain_measures import CENTRES


def test_bins_are_the_published_ones_and_cannot_be_changed():
    assert NUMBER_OF_BINS == 313
    assert AB_BINS.dtype == np.float32
    np.testing.assert_array_equal(AB_BINS, CENTRES)
    with pytest.raises(ValueError, match="read-only"):
        AB_BINS[0] = 0


def test_every_centre_is_its_own_bin():
    np.testing.assert_array_equal(nearest_bin(AB_BINS), np.arange(313))


def test_colours_of_the_cube_lie_close_to_a_bin():
    values = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1)
    ab = skimage_color.rgb2lab(cube)[..., 1:]
    away = np.linalg.norm(ab - AB_BINS[nearest_bin(ab)], axis=-1)
    # Half the diagonal of a grid cell, but for colours at the very border of the gamut.
    assert (away <= 50**0.5 + 1e-3).mean() > 0.98
    assert away.max() < 10.0


def test_ties_go_to_the_lower_index():
    origin = int(np.flatnonzero((AB_BINS == 0).all(axis=1))[0])
    assert nearest_bin(np.array([0.0, 0.0])) == origin
    assert nearest_bin(np.array([0.0, 5.0])) == origin  # as near to (0, 10)
    assert nearest_bin(np.array([0.0, -5.0])) == origin - 1  # (0, -10) comes first


def test_the_numpy_side_needs_no_paddle():
    code = "import sys; from oldrestore.color import bins, joining, lab, prior; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("ab", "message"), [(np.zeros((2, 3)), "2 channels"), (np.array([np.nan, 0.0]), "finite")])
def test_what_is_no_colour_is_refused(ab, message):
    with pytest.raises(ValueError, match=message):
        nearest_bin(ab)
