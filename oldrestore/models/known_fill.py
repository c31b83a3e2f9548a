"""Fills holes from the known pixels around them, without learning: the input of a restoring network."""

from __future__ import annotations

import paddle
from paddle import nn

SMALLEST = 1e-6
RELAXATIONS = 8  # at each scale; more change little


def mean_fill(picture_bchw: paddle.Tensor, hole_b1hw: paddle.Tensor) -> paddle.Tensor:
    """Fill the holes (1, elsewhere 0) of each picture with the mean of its known pixels; 0 where nothing is known."""
    known = 1.0 - hole_b1hw
    count = paddle.clip(known.sum(axis=[2, 3], keepdim=True), min=1.0)
    mean = (picture_bchw * known).sum(axis=[2, 3], keepdim=True) / count
    return picture_bchw * known + mean * hole_b1hw


def harmonic_fill(picture_bchw: paddle.Tensor, hole_b1hw: paddle.Tensor) -> paddle.Tensor:
    """Fill holes as smoothly as their borders allow: about the solution of Laplace's equation in them.

    Known pixels are averaged to ever coarser scales; on the way back each scale takes the coarser one, enlarged
    bilinearly, into its holes (the pull-push of Gortler et al., *The Lumigraph*, SIGGRAPH 1996, section 3.4) and
    relaxes it: `RELAXATIONS` times each pixel in a hole becomes the mean of its four neighbours. No gradient flows.
    """
    # Not as a decorator: Paddle's would leave gradients switched off after a function that calls itself.
    with paddle.no_grad():
        return _pull_push(picture_bchw, 1.0 - hole_b1hw)


def _pull_push(picture_bchw: paddle.Tensor, known: paddle.Tensor) -> paddle.Tensor:
    color = picture_bchw * known
    height, width = color.shape[-2:]
    if max(height, width) == 1:
        return color
    coarse_known = _halved(known)
    coarse = _halved(color) / paddle.clip(coarse_known, min=SMALLEST)
    # Four pixels make one of the next scale; it counts as known as soon as one of the four is.
    filled = _pull_push(coarse, (coarse_known >= SMALLEST).astype(color.dtype))
    # To twice the padded side, then cut: an odd side was padded on the way down.
    larger = nn.functional.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
    picture = color + larger[:, :, :height, :width] * (1.0 - known)
    for _ in range(RELAXATIONS):
        picture = color + _neighbours(picture) * (1.0 - known)
    return picture


def _neighbours(x_bchw: paddle.Tensor) -> paddle.Tensor:
    """Mean of the four neighbours of each pixel; at the border, the pixel itself replaces those outside."""
    padded = nn.functional.pad(x_bchw, [1, 1, 1, 1], mode="replicate")
    beside = padded[:, :, 1:-1, :-2] + padded[:, :, 1:-1, 2:]
    return (beside + padded[:, :, :-2, 1:-1] + padded[:, :, 2:, 1:-1]) * 0.25


def _halved(x_bchw: paddle.Tensor) -> paddle.Tensor:
    """Mean of each 2 x 2 pixels; an odd last row or column is padded with zeros, which count as unknown."""

    height, width = x_bchw.shape[-2:]
    if height % 2 or width % 2:
        x_bchw = nn.functional.pad(x_bchw, [0, width % 2, 0, height % 2])
    return nn.functional.avg_pool2d(x_bchw, 2)
