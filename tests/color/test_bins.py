import subprocess
import sys

import numpy as np
import pytest

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS, nearest_bin
from tests.evaluation import plain_measures


def test_bins_are_the_published_ones_and_cannot_be_changed():
    assert NUMBER_OF_BINS == 313
    assert AB_BINS.dtype == np.float32
    np.testing.assert_array_equal(AB_BINS, plain_measures.CENTRES)
    with pytest.raises(ValueError, match="read-only"):
        AB_BINS[0] = 0


def test_the_nearest_bin_is_that_of_all_distances():
    ab = np.round(np.random.default_rng(0).uniform(-130, 130, (20, 100, 2)) * 64) / 64
    np.testing.assert_array_equal(nearest_bin(ab), plain_measures.bins(ab))


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
