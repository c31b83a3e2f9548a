"""The 529 squares of the ab plane: their order, and what falls into which."""

import numpy as np
import paddle

from oldrestore.color.grid_paddle import GRID_AB, grid_index_nchw
from tests.color.plain_color import grid_index


def test_squares_are_ordered_by_a_then_by_b():
    assert GRID_AB.shape == (529, 2)
    corners = GRID_AB[[0, 1, 23, 264, 528]].tolist()
    assert corners == [[-110, -110], [-110, -100], [-100, -110], [0, 0], [110, 110]]


def test_a_colour_falls_into_the_nearest_square_and_halfway_into_the_larger():
    colors = np.random.default_rng(1).uniform(-150, 150, (3, 2, 5, 4)).astype(np.float32)
    ours = grid_index_nchw(paddle.to_tensor(colors))
    assert ours.dtype == paddle.int64
    np.testing.assert_array_equal(ours.numpy(), grid_index(colors.transpose(0, 2, 3, 1)))
    edges = np.array([[4.99, -5.01], [5.0, -5.0], [1000.0, -1000.0]], np.float32)
    assert grid_index_nchw(paddle.to_tensor(edges[:, :, None, None])).flatten().tolist() == [263, 264 + 23, 22 * 23]
