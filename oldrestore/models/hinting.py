"""Brings colour hints to a decoder: means over squares, and over regions that look alike, trusted as it learns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.color.bins import AB_BINS
from oldrestore.models.convolution import Conv2D, doubled

STRIDES = (4, 8, 16, 32)  # of the decoder's levels
REGIONS = 32
# How far hints of each of these are trusted before training: the softplus of this.
TRUST = {"4": 3.0, "8": 0.5, "16": 0.0, "32": -1.0, "near regions": 1.0, "regions": -1.0}
HINT_SCALE = 50.0  # Lab units: ab / 50 of a vivid colour is about 1
HINT_SIGMA = 10.0  # Lab units: of the Gaussian around a hint that is trusted by 1
LEAST = 1e-6  # share of a square's pixels: less than any hint's, so that the mean of none is 0


class Hinting(nn.Layer):
    """What a decoder with levels at `STRIDES` adds for hints of colour; 0 where there are none.

    The decoder's features see the hints in each square. Its distribution over the 313 bins is at last multiplied by a
    Gaussian around the colour of each hint that reaches a place, to the power of how far the decoder trusts it there:
    hints reach places by squares of each stride, and by regions (`spread_over_regions`).

    Parameters
    ----------
    channels : sequence of int
        Of the levels, the finest first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        # Zero, so that features are those without hints before anything is learnt.
        zero = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.squares = nn.LayerList(
            [Conv2D(3, count, 3, padding=1, weight_attr=zero, bias_attr=False) for count in channels]
        )
        self.regions = Conv2D(channels[1], REGIONS, 1)
        self.trust = Conv2D(channels[0], len(TRUST), 1)
        self.trust.bias.set_value(np.array(list(TRUST.values()), np.float32))
        self.register_buffer("gaussian", paddle.to_tensor(gaussian_logits()[..., None, None]), persistable=False)

    def spread(self, features_bchw: paddle.Tensor, pooled: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
        """Bring `pooled_hints` to stride 4 in each way of `TRUST`, by the decoder's features at stride 8."""
        parts = functional.softmax(self.regions(features_bchw), axis=1)
        squares = [_enlarged(hints, times) for times, hints in enumerate(pooled)]
        return squares + [_enlarged(hints, 1) for hints in spread_over_regions(parts, pooled[1])]

    def logits(self, features_bchw: paddle.Tensor, spread: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Logits (B, 313, h, w) to be added to the decoder's, whose features at stride 4 say what to trust."""
        trusted = functional.softplus(self.trust(features_bchw)).split(len(TRUST), axis=1)
        return functional.conv2d(sum(t * hints for t, hints in zip(trusted, spread, strict=True)), self.gaussian)


def pooled_hints(hints_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
    """Bring hints to `STRIDES`: (B, 3, H / stride, W / stride) each.

    The third channel says whether there are hints in a square: the number of its hinted pixels, at most 1, so that
    one pixel counts as much as the whole square (hints that were resized have parts of pixels). The others are the
    mean ab of the hinted pixels / `HINT_SCALE`, times the third. All are 0 without hints.

    Parameters
    ----------
    hints_b3hw : paddle.Tensor
        As in `oldrestore.batch.Batch`: ab times the mask, Lab units, and the mask, 0..1.
    """
    pooled, mean, before = [], hints_b3hw, 1
    for stride in STRIDES:
        mean, before = functional.avg_pool2d(mean, stride // before), stride
        share = mean[:, 2:]
        hinted = paddle.clip(share * float(stride * stride), max=1.0)
        color = mean[:, :2] * hinted / (paddle.clip(share, min=LEAST) * HINT_SCALE)
        pooled.append(paddle.concat([color, hinted], axis=1))
    return pooled


def spread_over_regions(parts_bkhw: paddle.Tensor, pooled_b3hw: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Spread hints (B, 3, h, w) over regions to which each place belongs in parts (B, K, h, w), which sum to 1.

    A region takes the mean of its hints, weighted by how much their places belong to it, and a place the mean of its
    regions'. The third channel is how much of a place belongs to regions that have hints, 0..1, and ab is multiplied by
    it, as in `pooled_hints`. The first result is of hints at most about 8 places away, the nearer the more: a grid of
    4 x 4 places has the sums of each region (a bilateral grid, Chen, Paris, Durand 2007, the range of which is learnt).
    The second is of all hints.
    """
    of_regions = [parts_bkhw * x for x in pooled_b3hw.split(3, axis=1)]
    cells = [functional.avg_pool2d(x, 4) for x in of_regions]
    near = [_enlarged(_with_neighbours(x) * 16.0, 2) for x in cells]
    far = [x.sum(axis=[2, 3], keepdim=True) for x in of_regions]
    return _at_places(parts_bkhw, *near), _at_places(parts_bkhw, *far)


def _with_neighbours(x: paddle.Tensor) -> paddle.Tensor:
    """Add to each cell half of those beside it and a quarter of those at its corners."""
    corners = functional.avg_pool2d(x, 2, stride=1, padding=1, exclusive=False)
    return functional.avg_pool2d(corners, 2, stride=1) * 4.0


def _at_places(parts: paddle.Tensor, a: paddle.Tensor, b: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
    hinted = (parts * paddle.clip(weight, max=1.0)).sum(axis=1, keepdim=True)
    a, b, weight = ((parts * x).sum(axis=1, keepdim=True) for x in (a, b, weight))
    share = hinted / paddle.clip(weight, min=LEAST)
    return paddle.concat([a * share, b * share, hinted], axis=1)


def gaussian_logits() -> np.ndarray:
    """Logits of a Gaussian around ab, as float32 (313, 3), to be multiplied by (a / 50, b / 50, 1).

    -|c - ab|^2 / (2 sigma^2) of the bins c, without the part that is the same for all bins.
    """
    lengths = -0.5 * (AB_BINS**2).sum(axis=1, keepdims=True)
    return (np.concatenate([AB_BINS * HINT_SCALE, lengths], axis=1) / HINT_SIGMA**2).astype(np.float32)


def _enlarged(x: paddle.Tensor, times: int) -> paddle.Tensor:
    for _ in range(times):
        x = doubled(x, "linear")
    return x
