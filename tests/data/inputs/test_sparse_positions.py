"""Sparse positions: within the photograph, from the generator alone."""

import numpy as np
import paddle
import pytest

from oldrestore.data.inputs.sparse_positions import SparsePositions
from oldrestore.errors import UserError


def photographs(height=20, width=32):
    return paddle.to_tensor(np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8))


def draw(inputs, seed=0, **sizes):
    return inputs(photographs(**sizes), ["a", "b", "c"], np.random.default_rng(seed)).positions_bn2.numpy()


def test_positions_are_rows_and_columns_within_the_border_and_reach_it():
    positions = draw(SparsePositions(count=5000, border=3))
    assert positions.shape == (3, 5000, 2) and positions.dtype == np.int64
    assert positions.min(axis=(0, 1)).tolist() == [3, 3] and positions.max(axis=(0, 1)).tolist() == [16, 28]
    counts = np.bincount(positions[..., 0].ravel(), minlength=17)[3:]
    assert counts.std() < 5 * np.sqrt(counts.mean())  # even: 15,000 draws over 14 rows


def test_the_generator_alone_decides():
    np.testing.assert_array_equal(draw(SparsePositions(), seed=5), draw(SparsePositions(), seed=5))
    assert (draw(SparsePositions(), seed=5) != draw(SparsePositions(), seed=6)).any()


def test_a_border_that_leaves_nothing_is_refused():
    assert draw(SparsePositions(border=9)).shape == (3, 128, 2)
    with pytest.raises(UserError, match="give at most 9"):
        draw(SparsePositions(border=10))
