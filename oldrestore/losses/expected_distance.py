"""Expected distance between a colour drawn from the predicted distribution and the true one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import paddle

from oldrestore.batch import Batch, Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss, NotNegative, Positive, mean_where_colour
from oldrestore.losses.predicted_color import unnormalised_probabilities


class ExpectedAbDistance(Loss):
    """Mean over pixels of sum_q p_q |c_q - y| / scale, with p = softmax(logits) over the 313 bins.

    |c_q - y| is the Euclidean distance, Lab units, of a bin's centre from the true colour: the expected cost of
    painting a colour drawn from p, where a near miss costs little. It is the risk of Bayesian decision theory
    (Berger, *Statistical Decision Theory and Bayesian Analysis*, 1985), and linear in p: it is least with
    all of p on one bin, so alone it tends to the median of what is possible and knows no doubt. `scale`: Lab units.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"logits"})

    @checked
    def __init__(self, scale: Positive = 110.0, gray_threshold: NotNegative | None = 5.0) -> None:
        super().__init__(gray_threshold)
        self.scale = scale
        for axis, name in enumerate("ab"):
            values, places_q = np.unique(AB_BINS[:, axis], return_inverse=True)
            self.register_buffer(f"_values_{name}", paddle.to_tensor(values.reshape(-1, 1)), persistable=False)
            self.register_buffer(f"_places_{name}", paddle.to_tensor(places_q), persistable=False)
        self.register_buffer("_ones_1q", paddle.ones([1, NUMBER_OF_BINS]), persistable=False)

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean expected distance."""
        size, _, height, width = prediction.logits.shape
        with paddle.amp.auto_cast(enable=False):
            weights_bqn = unnormalised_probabilities(prediction.logits)
            distances_bqn = self._distances(batch.ab_at(height, width))
            total_b1n = paddle.matmul(self._ones_1q, weights_bqn * distances_bqn)
            expected_b1n = total_b1n / paddle.matmul(self._ones_1q, weights_bqn)
            values_bhw = expected_b1n.reshape([size, height, width]) / self.scale
            return mean_where_colour(values_bhw, batch, self.gray_threshold)

    @paddle.no_grad()
    def _distances(self, ab_b2hw: paddle.Tensor) -> paddle.Tensor:
        """Distance of every bin's centre from every true colour, (B, 313, h w), Lab units.

        Squares are taken of the 20 values of a and the 22 of b that bins have, and picked: faster than 313 differences.
        Not |c|^2 - 2 c y + |y|^2, which would leave nothing of a small distance.
        """
        a_b1n, b_b1n = ab_b2hw.astype("float32").flatten(start_axis=2).split(2, axis=1)
        squared_bqn = paddle.index_select((self._values_a - a_b1n).square(), self._places_a, axis=1)
        squared_bqn += paddle.index_select((self._values_b - b_b1n).square(), self._places_b, axis=1)
        return paddle.sqrt(squared_bqn)
