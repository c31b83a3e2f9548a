"""Sparse positions: within the photograph, from the generator alone."""

import numpy as np
import pytest

paddle = pytest.importorskip("paddle")

from oldrestore.batch import Batch  # noqa: E402
from oldrestore.data.inputs.sparse_positions import SparsePositions  # noqa: E402
from oldrestore.errors import UserError  # noqa: E402


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


def test_the_rest_is_the_usual_batch():
    batch = SparsePositions()(photographs(), ["a", "b", "c"], np.random.default_rng(0))
    plain = Batch.from_rgb(photographs(), ["a", "b", "c"])
    assert batch.names == plain.names
    np.testing.assert_array_equal(batch.L_b1hw.numpy(), plain.L_b1hw.numpy())
    np.testing.assert_array_equal(batch.ab_b2hw.numpy(), plain.ab_b2hw.numpy())


def test_a_border_that_leaves_nothing_is_refused():
    assert draw(SparsePositions(border=9)).shape == (3, 128, 2)
    with pytest.raises(UserError, match="give at most 9"):
        draw(SparsePositions(border=10))
