"""Losses on differences between neighbouring pixels of predicted colour: total variation and chroma edges."""

from __future__ import annotations

import paddle
from paddle.nn import functional

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.losses.base import Positive
from oldrestore.losses.predicted_color import PredictedColor, Temperature


class TotalVariation(PredictedColor):
    """Mean |difference| of ab / scale between horizontal neighbours plus that between vertical ones, a and b summed.

    The anisotropic form of Rudin, Osher and Fatemi, *Nonlinear total variation based noise removal algorithms* (1992),
    as Johnson, Alahi and Fei-Fei (2016) regularise with. It removes specks and seams, and is least for a single
    colour everywhere: use it with a small weight beside another loss. `scale` is in Lab units.
    """

    @checked
    def __init__(self, scale: Positive = 110.0, annealed_mean: Temperature | None = None) -> None:
        super().__init__(annealed_mean)
        self.scale = scale

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean variation; a prediction of one row or column has none along it."""
        with paddle.amp.auto_cast(enable=False):
            ab_b2hw = self.predicted_ab(prediction) / self.scale
            return sum(_mean(steps.abs().sum(axis=1)) for steps in _steps(ab_b2hw))


class ChromaEdge(PredictedColor):
    """Total variation of ab that does not count where the lightness has an edge too.

    Mean over neighbours of |difference of ab / scale| x exp(-|difference of L| / edge_range), horizontally plus
    vertically, a and b summed: the edge-aware smoothness of Godard, Mac Aodha and Brostow, *Unsupervised Monocular
    Depth Estimation with Left-Right Consistency* (2017), with the colour in the disparity's place. Colour that runs
    over its object's border costs; a change of colour at a border is all but free. A smaller prediction is compared
    with the means of the lightness under its pixels, so that a fine texture is no edge to it. `scale` and `edge_range`
    are in Lab units.
    """

    @checked
    def __init__(
        self, scale: Positive = 110.0, edge_range: Positive = 6.0, annealed_mean: Temperature | None = None
    ) -> None:
        super().__init__(annealed_mean)
        self.scale = scale
        self.edge_range = edge_range

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean weighted variation."""
        with paddle.amp.auto_cast(enable=False):
            ab_b2hw = self.predicted_ab(prediction) / self.scale
            L_b1hw = _averaged(batch.L_b1hw.astype("float32"), *ab_b2hw.shape[-2:])
            total = 0.0
            for ab_steps, L_steps in zip(_steps(ab_b2hw), _steps(L_b1hw), strict=True):
                free_b1hw = paddle.exp(-L_steps.abs() / self.edge_range)
                total = total + _mean((ab_steps.abs() * free_b1hw).sum(axis=1))
            return total


def _steps(values_bchw: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Differences between horizontal neighbours (B, C, h, w - 1), and between vertical ones (B, C, h - 1, w)."""
    return values_bchw[..., 1:] - values_bchw[..., :-1], values_bchw[..., 1:, :] - values_bchw[..., :-1, :]


def _mean(values: paddle.Tensor) -> paddle.Tensor:
    """Mean; 0 of nothing, which is what a single row or column has for neighbours."""
    return values.sum() / max(values.size, 1)


def _averaged(L_b1hw: paddle.Tensor, height: int, width: int) -> paddle.Tensor:
    """Lightness as means of the blocks of pixels under each pixel of a smaller grid."""
    full_height, full_width = L_b1hw.shape[-2:]
    if (full_height, full_width) == (height, width):
        return L_b1hw
    if full_height % height or full_width % width:
        raise ValueError(f"lightness of {full_height} x {full_width} cannot be averaged to {height} x {width} blocks")
    return functional.avg_pool2d(L_b1hw, [full_height // height, full_width // width])
