"""Which photographs count: one without colour teaches a colorizer only to be gray."""

from __future__ import annotations

import paddle

from oldrestore import parallel
from oldrestore.batch import Batch


def has_colour(batch: Batch, gray_threshold: float) -> paddle.Tensor:
    """Tell which photographs have an |a| or |b| above the threshold (Lab units) at full size, bool (B,)."""
    return batch.ab_b2hw.abs().flatten(start_axis=1).max(axis=1) > gray_threshold


def mean_where_colour(values_bhw: paddle.Tensor, batch: Batch, gray_threshold: float | None) -> paddle.Tensor:
    """Mean over the pixels of all photographs that have colour, a scalar.

    Parameters
    ----------
    values_bhw : paddle.Tensor
        A value for each pixel, float32 (B, h, w).
    batch : Batch
        A photograph with no |a| or |b| above the threshold, at full size, is left out of sum and count.
    gray_threshold : float or None
        Lab units; None counts every photograph.

    Returns
    -------
    paddle.Tensor
        float32, shape []; 0, with gradient 0, for a batch of gray photographs alone.
    """
    if gray_threshold is None:
        return values_bhw.mean()
    counted_b = has_colour(batch, gray_threshold).astype("float32")
    _, height, width = values_bhw.shape
    # At least one pixel, so that a batch of gray photographs gives 0 / 1 and not 0 / 0.
    pixels = parallel.divisor(counted_b.sum() * (height * width))
    return (values_bhw * counted_b.reshape([-1, 1, 1])).sum() / pixels
