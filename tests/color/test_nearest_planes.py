"""The fast search for the nearest bins: the same bins in the same order as the plain one, and its weights."""

import numpy as np
import pytest

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.color.nearest_planes import BLOCK, _network, fine_table, soft_encode_bkhw
from tests.color.plain_color import soft_encode


def colours():
    """Colours as photographs have them, far ones, and all that lie on borders of cells, where bins are equally far."""
    rng = np.random.default_rng(0)
    lattice = np.stack(np.meshgrid(np.arange(-132.5, 133, 1.25), np.arange(-132.5, 133, 1.25)), axis=0).reshape(2, -1)
    beside = np.nextafter(lattice.astype(np.float32), np.float32(np.inf))
    near, far = rng.normal(0, 20, (2, 3 * BLOCK + 7)), rng.uniform(-1e4, 1e4, (2, 500))
    return np.concatenate([near, far, lattice, beside], axis=1).astype(np.float32)


def encode(ab_2n, neighbours, sigma=5.0):
    """Bins and weights, each (k, N)."""
    return tuple(x[0, :, 0] for x in soft_encode_bkhw(ab_2n[None, :, None], neighbours, sigma))


@pytest.mark.parametrize("neighbours", [1, 2, 5, 10, 16])
def test_the_bins_and_weights_that_the_plain_search_finds(neighbours):
    ab = colours()
    indices, weights = encode(ab, neighbours)
    expected_indices, expected_weights = soft_encode(ab.T, neighbours)
    np.testing.assert_array_equal(indices.T, expected_indices)
    np.testing.assert_allclose(weights.T, expected_weights, rtol=1e-6)
    assert indices.max() < NUMBER_OF_BINS


def test_equal_distances_by_hand():
    # (5, 5) is as far from four bins; the lower index comes first.
    indices, weights = encode(np.array([[5.0], [5.0]], np.float32), 4)
    assert AB_BINS[indices[:, 0]].tolist() == [[0, 0], [0, 10], [10, 0], [10, 10]]
    assert weights[:, 0].tolist() == [0.25, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("count", [0, 1, BLOCK, BLOCK + 1])
def test_any_number_of_colours(count):
    indices, weights = encode(np.zeros((2, count), np.float32), 1)
    assert indices.shape == weights.shape == (1, count)
    assert (AB_BINS[indices[0]] == 0).all() and (weights == 1).all()


@pytest.mark.parametrize("width", range(1, 24))
def test_a_network_sorts_what_is_wanted(width):
    """A network that sorts every row of zeros and ones sorts everything (Knuth, volume 3, 5.3.4, theorem Z)."""
    if width <= 12:
        rows = (np.arange(2**width)[:, None] >> np.arange(width)) & 1
    else:
        rows = np.random.default_rng(width).integers(0, 2, (20_000, width))
    for wanted in {1, width // 2 + 1, width}:
        columns = rows.T.copy()
        for one, other in _network(width, wanted):
            assert one < other
            columns[one], columns[other] = np.minimum(*columns[[one, other]]), np.maximum(*columns[[one, other]])
        np.testing.assert_array_equal(columns[:wanted].T, np.sort(rows, axis=1)[:, :wanted])


def test_cells_hold_few_more_bins_than_are_asked_for():
    assert fine_table(10).counts.min() == 10
    assert fine_table(10).counts.max() <= 16


def test_photographs_and_any_strides():
    ab = np.random.default_rng(1).uniform(-90, 90, (3, 5, 4, 2)).astype(np.float32)
    indices, weights = soft_encode_bkhw(ab.transpose(0, 3, 1, 2), 5, 5.0)
    expected_indices, expected_weights = soft_encode(ab, 5, 5.0)
    np.testing.assert_array_equal(indices.transpose(0, 2, 3, 1), expected_indices)
    np.testing.assert_allclose(weights.transpose(0, 2, 3, 1), expected_weights, rtol=3e-7)
    assert indices.flags.c_contiguous and weights.flags.c_contiguous
