"""Brings colour hints to a decoder: to what is near, as light, or looks alike, trusted as it learns."""

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
TONES = np.arange(0.0, 101.0, 10.0, np.float32)  # lightness, in the middle of each range
# Rounds of smoothing over places, after each of which hints reach farther: about 26, 52 and 104 pixels (standard
# deviation); None: everywhere.
TONE_REACH, REGION_REACH = (1, 5, None), (1, None)
# How far hints are trusted before training, the softplus of this: in squares of each stride, by tone, and by region.
TRUST = (3.0, 0.5, 0.0, -1.0, 1.0, 0.0, -1.0, 0.0, -1.0)
DOUBT = 0.0  # the same of how far each makes the decoder doubt itself
LEAST_HINT = 0.1  # weight of hints at a place at which they count by half
HINT_SCALE = 50.0  # Lab units: ab / 50 of a vivid colour is about 1
HINT_SIGMA = 10.0  # Lab units: of the Gaussian around a hint that is trusted by 1
LEAST = 1e-6  # share of a square's pixels: less than any hint's, so that the mean of none is 0


class Hinting(nn.Layer):
    """What a decoder with levels at `STRIDES` adds for hints of colour; 0 where there are none.

    The decoder's features see the hints in each square. Its distribution over the 313 bins is at last multiplied by a
    Gaussian around the colour of each hint that reaches a place, to the power of how far the decoder trusts it there;
    and is itself flattened, to a power below 1, the more these hints make it doubt. Hints reach places in the same
    square of each stride, of the same tone, and of the same region; see `spread_over`.

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
        self.trust = Conv2D(channels[0], 2 * len(TRUST), 1)
        self.trust.bias.set_value(np.array([*TRUST, *[DOUBT] * len(TRUST)], np.float32))
        self.register_buffer("gaussian", paddle.to_tensor(gaussian_logits()[..., None, None]), persistable=False)
        self.register_buffer("tones", paddle.to_tensor(TONES[None, :, None, None]), persistable=False)

    def spread(
        self, L_b1hw: paddle.Tensor, features_bchw: paddle.Tensor, pooled: Sequence[paddle.Tensor]
    ) -> list[paddle.Tensor]:
        """Bring `pooled_hints` to stride 4 in each way of `TRUST`; the features are the decoder's at stride 8."""
        tones = tone_parts(functional.avg_pool2d(L_b1hw, STRIDES[1]), self.tones)
        regions = functional.softmax(self.regions(features_bchw), axis=1)
        spread = [*spread_over(tones, pooled[1], TONE_REACH), *spread_over(regions, pooled[1], REGION_REACH)]
        return [_enlarged(x, times) for times, x in enumerate(pooled)] + [_enlarged(x, 1) for x in spread]

    def logits(
        self, logits_bqhw: paddle.Tensor, features_bchw: paddle.Tensor, spread: Sequence[paddle.Tensor]
    ) -> paddle.Tensor:
        """Return the logits of the decoder with hints; its features at stride 4 say what to trust."""
        weights = functional.softplus(self.trust(features_bchw)).split(2 * len(TRUST), axis=1)
        trusted = sum(weight * hints for weight, hints in zip(weights, spread, strict=False))
        doubt = sum(weight * hints[:, 2:] for weight, hints in zip(weights[len(TRUST) :], spread, strict=True))
        return logits_bqhw / (1.0 + doubt) + functional.conv2d(trusted, self.gaussian)


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


def tone_parts(L_b1hw: paddle.Tensor, tones_1k11: paddle.Tensor) -> paddle.Tensor:
    """Divide each place between the two tones that its lightness is between, by linear interpolation: (B, K, h, w)."""
    return functional.relu(1.0 - paddle.abs(L_b1hw - tones_1k11) / (TONES[1] - TONES[0]))


def spread_over(
    parts_bkhw: paddle.Tensor, pooled_b3hw: paddle.Tensor, reach: Sequence[int | None]
) -> list[paddle.Tensor]:
    """Spread hints (B, 3, h, w) over kinds of places, to which each place belongs in parts (B, K, h, w) that sum to 1.

    A kind has the mean of its hints, weighted by how much their places belong to it, and a place that of its kinds: a
    bilateral grid (Chen, Paris, Durand 2007) of lightness, or of what is learnt. Its cells are 4 x 4 places, and each
    round of `reach` adds to a cell half of those beside it and a quarter of those at its corners; None is of the whole
    photograph. The third channel grows from 0 to 1 with the weight of the hints, and ab is multiplied by it, as in
    `pooled_hints`.
    """
    of_kinds = [parts_bkhw * x for x in pooled_b3hw.split(3, axis=1)]
    cells = [functional.avg_pool2d(x, 4) * 16.0 for x in of_kinds]
    spread, rounds = [], 0
    for wanted in reach:
        if wanted is None:
            spread.append(_at_places(parts_bkhw, [x.sum(axis=[2, 3], keepdim=True) for x in of_kinds]))
            continue
        for _ in range(wanted - rounds):
            cells = [_with_neighbours(x) for x in cells]
        rounds = wanted
        spread.append(_at_places(parts_bkhw, [_enlarged(x, 2) for x in cells]))
    return spread


def _with_neighbours(x: paddle.Tensor) -> paddle.Tensor:
    """Add to each cell half of those beside it and a quarter of those at its corners."""
    corners = functional.avg_pool2d(x, 2, stride=1, padding=1, exclusive=False)
    return functional.avg_pool2d(corners, 2, stride=1) * 4.0


def _at_places(parts_bkhw: paddle.Tensor, of_kinds: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """Hints of places, given a, b and weight of the kinds."""
    a, b, weight = ((parts_bkhw * x).sum(axis=1, keepdim=True) for x in of_kinds)
    return paddle.concat([a, b, weight], axis=1) / (weight + LEAST_HINT)


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
