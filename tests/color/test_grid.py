"""The 529 squares of the ab plane: their order, and what falls into which, on arrays and tensors."""

from __future__ import annotations

import numpy as np
import paddle

from oldrestore.color.grid_paddle import GRID_AB, NUMBER_OF_SQUARES, grid_index_nchw
from tests.color.plain_color import grid_index


def test_squares_are_ordered_by_a_then_by_b():
    assert NUMBER_OF_SQUARES == 529
    assert GRID_AB.shape == (529, 2)
    corners = GRID_AB[[0, 1, 23, 264, 528]].tolist()
    assert corners == [[-110, -110], [-110, -100], [-100, -110], [0, 0], [110, 110]]


def test_a_colour_falls_into_the_nearest_square():
    assert (grid_index(GRID_AB) == np.arange(529)).all()
    colors = np.random.default_rng(0).uniform(-114, 114, (2000, 2))
    distance = np.abs(colors[:, None] - GRID_AB[None]).max(axis=2)  # the nearest square in each axis alone
    np.testing.assert_array_equal(grid_index(colors), distance.argmin(axis=1))


def test_edges_of_squares_and_of_the_grid():
    assert grid_index([4.99, -5.01]) == 264 - 1
    assert grid_index([5.0, -5.0]) == 264 + 23  # halfway belongs to the larger
    assert grid_index([1000.0, -1000.0]) == 22 * 23


def test_tensors_give_the_same_indices():
    colors = np.random.default_rng(1).uniform(-150, 150, (3, 2, 5, 4)).astype(np.float32)
    ours = grid_index_nchw(paddle.to_tensor(colors))
    assert ours.dtype == paddle.int64
    np.testing.assert_array_equal(ours.numpy(), grid_index(colors.transpose(0, 2, 3, 1)))
