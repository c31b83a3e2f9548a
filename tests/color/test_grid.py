"""The 529 squares of the ab plane: their order, what falls into which, and decoding, on arrays and tensors."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from oldrestore.color.grid import GRID_AB, NUMBER_OF_SQUARES
from oldrestore.color.grid_paddle import grid_index_nchw, grid_mean_nchw
from tests.color.plain_color import grid_index


def test_squares_are_ordered_by_a_then_by_b():
    assert NUMBER_OF_SQUARES == 529
    assert GRID_AB.shape == (529, 2)
    assert GRID_AB[0].tolist() == [-110, -110]
    assert GRID_AB[1].tolist() == [-110, -100]
    assert GRID_AB[23].tolist() == [-100, -110]
    assert GRID_AB[264].tolist() == [0, 0]
    assert GRID_AB[528].tolist() == [110, 110]


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


@pytest.mark.parametrize("temperature", [1.0, 0.38])
def test_the_annealed_mean_against_numpy(temperature):
    logits = np.random.default_rng(2).normal(0, 3, (2, 529, 2, 3))
    sharp = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    expected = np.einsum("bchw,cd->bdhw", sharp / sharp.sum(axis=1, keepdims=True), GRID_AB)
    ours = grid_mean_nchw(paddle.to_tensor(logits.astype(np.float32)), temperature)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-3)


def test_temperature_zero_is_the_mode():
    logits = np.random.default_rng(3).normal(0, 3, (1, 529, 2, 2)).astype(np.float32)
    ours = grid_mean_nchw(paddle.to_tensor(logits), 0.0).numpy()
    np.testing.assert_allclose(ours[0].transpose(1, 2, 0), GRID_AB[logits[0].argmax(axis=0)], atol=1e-4)
    with pytest.raises(ValueError, match="529"):
        grid_mean_nchw(paddle.zeros([1, 313, 2, 2]))
