"""Squared error with a term against colour that gathers around its mean (PaddleColorization)."""

from __future__ import annotations

from typing import Literal

import paddle

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.losses.base import NotNegative, Positive
from oldrestore.losses.predicted_color import PredictedColor, Temperature


class MseDispersion(PredictedColor):
    """Mean squared error of ab, plus a term that grows as the predicted colours gather around their mean.

    ``mse`` = mean (x - y)^2 over all photographs of the batch, both channels and all pixels, Lab units squared.

    ``dispersion`` = weight / (D + epsilon), with the predicted x alone: D is large where colours differ. n
    counts, and the sum and the mean of x run over, the same elements: all of the batch, both channels together,
    as the project's training script takes them. ``denominator`` says which D:

    - ``n_sum``: D = n x sum (x - mean x)^2, the formula as the project's page prints it. For photographs n is so
      large that the term vanishes: with 16 crops of 64 x 64 and a standard deviation of 10 Lab units, it is
      1.6e-11.
    - ``mean``: D = (1 / n) x sum (x - mean x)^2, the variance, as its training script computes it. In the same
      case the term is 0.27.

    The loss is their sum; each is a curve. At a prediction that is the same everywhere the term is
    weight / epsilon and has no gradient. D is of the whole batch, so the loss of a batch is not the mean of its parts'.

    References
    ----------
    ZMpursue/PaddleColorization: its page (``n_sum``, 26.7) and ``train/ResNet.py`` (``mean``, in its versions
    with the factors 5 and 16.7).
    """

    @checked
    def __init__(
        self,
        weight: NotNegative = 26.7,
        denominator: Literal["n_sum", "mean"] = "mean",
        epsilon: Positive = 1e-2,
        annealed_mean: Temperature | None = None,
    ) -> None:
        super().__init__(annealed_mean)
        self.weight = weight
        self.denominator = denominator
        self.epsilon = epsilon

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """The loss and its two terms, ``mse`` and ``dispersion``, whose sum it is."""
        with paddle.amp.auto_cast(enable=False):
            x = self.predicted_ab(prediction)
            mse = paddle.square(x - batch.ab_at(*x.shape[2:])).mean()
            # Of the whole batch, also where this is a part of it.
            parts = parallel.parts()
            mean = parallel.batch_sum(x.mean()) / parts
            variance = parallel.batch_sum(paddle.square(x - mean).mean()) / parts
            # n x sum is n^2 x mean, and the mean of squares is the more exact of the two in float32.
            spread = variance if self.denominator == "mean" else variance * float(x.size * parts) ** 2
            dispersion = self.weight / (spread + self.epsilon)
            return {"loss": mse + dispersion, "mse": mse, "dispersion": dispersion}
