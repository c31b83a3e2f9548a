"""Encoding to and decoding from the 529 squares on tensors (B, ..., h, w): the maths of ``grid.py``."""

from __future__ import annotations

import paddle

from oldrestore.color.decoding_paddle import mean_color, require_temperature
from oldrestore.color.grid import GRID_AB, GRID_LIMIT, GRID_SIDE, GRID_STEP, NUMBER_OF_SQUARES


def grid_index_nchw(ab_b2hw: paddle.Tensor) -> paddle.Tensor:
    """Index of the square of each colour, int64 (B, h, w), for ab (B, 2, h, w) in Lab units.

    Colours beyond the grid belong to the square at its edge; one that lies exactly between two squares belongs to the
    one with the larger value.
    """
    cell = paddle.floor((ab_b2hw.astype("float32") + GRID_LIMIT) / GRID_STEP + 0.5)
    cell = paddle.clip(cell, 0.0, GRID_SIDE - 1.0).astype("int64")
    return cell[:, 0] * GRID_SIDE + cell[:, 1]


def grid_mean_nchw(logits_bchw: paddle.Tensor, temperature: float = 0.38) -> paddle.Tensor:
    """Decode scores to colours: the mean of softmax(logits / temperature) over the squares' centres.

    Parameters
    ----------
    logits_bchw : paddle.Tensor, (B, 529, h, w)
        Unnormalised scores; decoded in float32, also under mixed precision.
    temperature : float
        0..100: 1 is the mean, 0 as good as the mode.

    Returns
    -------
    paddle.Tensor, float32 (B, 2, h, w)
        a and b, Lab units.

    Raises
    ------
    ValueError
        When the shape is not (B, 529, h, w), or the temperature is out of range.
    """
    require_temperature(temperature)
    if logits_bchw.ndim != 4 or logits_bchw.shape[1] != NUMBER_OF_SQUARES:
        raise ValueError(f"class logits must be (B, {NUMBER_OF_SQUARES}, h, w), got {tuple(logits_bchw.shape)}")
    batch, _, height, width = logits_bchw.shape
    centres_c2 = paddle.to_tensor(GRID_AB, place=logits_bchw.place)
    return mean_color(logits_bchw, centres_c2, temperature).reshape([batch, 2, height, width])
