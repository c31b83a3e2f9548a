"""The 529 squares of the ab plane that siggraph17 classifies: 23 x 23, ten Lab units wide, gamut or not."""

from __future__ import annotations

import numpy as np
import paddle

GRID_STEP = 10.0
GRID_LIMIT = 110.0  # the outermost centres: a and b run over -110, -100, ..., 110
GRID_SIDE = 23
NUMBER_OF_SQUARES = GRID_SIDE**2

_VALUES = np.arange(GRID_SIDE, dtype=np.float32) * GRID_STEP - GRID_LIMIT

# Centres in Lab units, float32 (529, 2). Order of the published class head (Zhang et al. 2017): by a, then by b,
# so that square 23 i + j has a = -110 + 10 i and b = -110 + 10 j; gray is square 264, the middle one.
GRID_AB = np.stack(np.meshgrid(_VALUES, _VALUES, indexing="ij"), axis=-1).reshape(NUMBER_OF_SQUARES, 2)
GRID_AB.flags.writeable = False


def grid_index_nchw(ab_b2hw: paddle.Tensor) -> paddle.Tensor:
    """Index of the square of each colour, int64 (B, h, w), for ab (B, 2, h, w) in Lab units.

    Colours beyond the grid belong to the square at its edge; one that lies exactly between two squares belongs to the
    one with the larger value.
    """
    cell = paddle.floor((ab_b2hw.astype("float32") + GRID_LIMIT) / GRID_STEP + 0.5)
    cell = paddle.clip(cell, 0.0, GRID_SIDE - 1.0).astype("int64")
    return cell[:, 0] * GRID_SIDE + cell[:, 1]
