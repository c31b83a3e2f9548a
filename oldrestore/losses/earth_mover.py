"""Squared earth mover's distance between the predicted and the true distribution over the 313 bins."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import paddle
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.color.encoding_paddle import SoftEncoder
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss, NotNegative, Positive, mean_where_colour
from oldrestore.losses.predicted_color import unnormalised_probabilities


def cumulating_rows() -> np.ndarray:
    """Matrix that turns a distribution over the bins into its two cumulative marginals, float32 (42, 313).

    20 rows for a (which bins have an a of at most -90, -80, ..., 100), then 22 for b (-110, ..., 100). The last of
    each is all ones.
    """
    rows = [AB_BINS[:, axis] <= value for axis in (0, 1) for value in np.unique(AB_BINS[:, axis])]
    return np.stack(rows).astype(np.float32)


class SquaredEarthMover(Loss):
    """Mean over pixels of sum_i (P_i - T_i)^2 over a, plus the same over b, of cumulative marginals P and T.

    Hou, Yu and Samaras, *Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks* (2016), give
    the squared distance of ordered classes: the sum of squared differences of cumulative distributions. The 313 bins
    lie on a plane and have no one order, so it is taken of both marginals, of p = softmax(logits) and of the softly
    encoded truth (``neighbours`` and ``sigma`` as in `SoftCrossEntropy`). Two colours that are m bins apart in a and n
    in b (10 Lab units each) are m + n apart. Marginals do not see how a and b go together, so it is best beside a
    cross-entropy.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"logits"})

    @checked
    def __init__(
        self,
        neighbours: Annotated[int, Field(ge=1, le=NUMBER_OF_BINS)] = 10,
        sigma: Positive = 5.0,
        gray_threshold: NotNegative | None = 5.0,
    ) -> None:
        super().__init__(gray_threshold)
        self._encoder = SoftEncoder(neighbours, sigma)
        self.register_buffer("_rows_rq", paddle.to_tensor(cumulating_rows()), persistable=False)

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean squared distance, 0..42."""
        size, _, height, width = prediction.logits.shape
        with paddle.amp.auto_cast(enable=False):
            cumulated_brn = paddle.matmul(self._rows_rq, unnormalised_probabilities(prediction.logits))
            # The last row sums over all bins, so it is what the softmax divides by.
            difference_brn = cumulated_brn / cumulated_brn[:, -1:] - self._target(batch.ab_at(height, width))
            values_bhw = difference_brn.square().sum(axis=1).reshape([size, height, width])
            return mean_where_colour(values_bhw, batch, self.gray_threshold)

    @paddle.no_grad()
    def _target(self, ab_b2hw: paddle.Tensor) -> paddle.Tensor:
        """Cumulative marginals of the true colours, (B, 42, h w), one neighbour at a time: never 313 for a pixel."""
        indices_bkhw, weights_bkhw = self._encoder(ab_b2hw)
        columns_qr = self._rows_rq.t()
        size, neighbours = indices_bkhw.shape[:2]
        total_nr = 0.0
        for k in range(neighbours):
            rows_nr = paddle.gather(columns_qr, indices_bkhw[:, k].flatten())
            total_nr = total_nr + weights_bkhw[:, k].reshape([-1, 1]) * rows_nr
        return total_nr.reshape([size, -1, columns_qr.shape[1]]).transpose([0, 2, 1])
