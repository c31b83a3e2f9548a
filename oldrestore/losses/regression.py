"""Losses that compare predicted with true ab: L1, L2 and smooth-L1."""

from __future__ import annotations

import paddle

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.losses.base import NotNegative, Positive, mean_where_colour
from oldrestore.losses.predicted_color import PredictedColor, Temperature


class AbRegression(PredictedColor):
    """Mean over pixels of a penalty of the error e = (predicted ab - true ab) / scale, summed over a and b.

    With ``annealed_mean`` the predicted ab is that of a distribution over the 313 bins, and the loss is the
    annealed-mean regression |E_T[c] - y|. With a `scale` of 110 Lab units, that of the networks' outputs, values and
    weights are those of the released siggraph17 training code.
    """

    @checked
    def __init__(
        self,
        scale: Positive = 110.0,
        gray_threshold: NotNegative | None = None,
        annealed_mean: Temperature | None = None,
    ) -> None:
        super().__init__(annealed_mean, gray_threshold)
        self.scale = scale

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean penalty."""
        with paddle.amp.auto_cast(enable=False):
            ab_b2hw = self.predicted_ab(prediction)
            error_b2hw = ab_b2hw - batch.ab_at(*ab_b2hw.shape[-2:])
            return mean_where_colour(self.penalty(error_b2hw).sum(axis=1), batch, self.gray_threshold)

    def penalty(self, error_b2hw: paddle.Tensor) -> paddle.Tensor:
        """Penalty of each error in Lab units, of the same shape."""
        raise NotImplementedError


class L1(AbRegression):
    """|e|: the median of what is possible, so paler than the truth but less so than L2.

    The regression term of the released siggraph17 training code.
    """

    def penalty(self, error_b2hw: paddle.Tensor) -> paddle.Tensor:
        """|error / scale|."""
        return error_b2hw.abs() / self.scale


class L2(AbRegression):
    """e^2 / 2: the mean of what is possible, which is brownish (Zhang, Isola, Efros 2016, equation 1)."""

    def penalty(self, error_b2hw: paddle.Tensor) -> paddle.Tensor:
        """(error / scale)^2 / 2."""
        return (error_b2hw / self.scale).square() / 2


class SmoothL1(AbRegression):
    """|e| with its kink rounded: e^2 / (2 d) up to d, |e| - d / 2 beyond, with d = delta / scale.

    Zhang et al. (2017) train siggraph17 on it with delta 1; Huber (1964), divided by d so that it is L1 in the
    limit of a small delta.
    """

    @checked
    def __init__(
        self,
        delta: Positive = 1.0,  # where the quadratic part ends, Lab units
        scale: Positive = 110.0,
        gray_threshold: NotNegative | None = None,
        annealed_mean: Temperature | None = None,
    ) -> None:
        super().__init__(scale, gray_threshold, annealed_mean)
        self.delta = delta

    def penalty(self, error_b2hw: paddle.Tensor) -> paddle.Tensor:
        """Huber's function of error / scale, over d."""
        size = error_b2hw.abs()
        # Below delta `inner` is the error and `size - inner` is 0; beyond, `inner` is delta: one expression, and
        # the gradient of each part flows where that part holds.
        inner = paddle.clip(size, max=self.delta)
        return (inner.square() / (2 * self.delta) + (size - inner)) / self.scale
