"""What every loss on predicted colour shares: where a prediction's ab comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import paddle
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss
from oldrestore.losses.bin_distribution import unnormalised_probabilities

HIGHEST_TEMPERATURE = 2.0
Temperature = Annotated[float, Field(gt=0, le=HIGHEST_TEMPERATURE)]


class PredictedColor(Loss):
    """A loss that reads one colour for each pixel: the network's own ``ab``, or the annealed mean of its ``logits``.

    With a temperature T the colour is sum_q c_q softmax(z / T)_q over the centres c_q of the 313 bins (Zhang, Isola,
    Efros 2016, equation 5), which is differentiable: a network that predicts a distribution learns from what it
    would paint.

    Parameters
    ----------
    annealed_mean : float or None
        T, above 0 and at most 2: 1 is the mean, towards 0 the mode; 0.38 in that paper. None reads ``ab``.

    Attributes
    ----------
    reads : frozenset of str
        {"ab"}, or {"logits"} with a temperature.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"ab"})

    @checked
    def __init__(self, annealed_mean: Temperature | None = None) -> None:
        super().__init__()
        self.annealed_mean = annealed_mean
        self.reads = self.reads_with({"annealed_mean": annealed_mean})
        if annealed_mean is not None:
            rows = np.concatenate([AB_BINS.T, np.ones((1, NUMBER_OF_BINS), np.float32)])
            self.register_buffer("_rows_3q", paddle.to_tensor(rows), persistable=False)

    @classmethod
    def reads_with(cls, node: Mapping[str, Any]) -> frozenset[str]:
        """What a loss of these settings reads, known before it is built."""
        return frozenset({"ab"} if node.get("annealed_mean") is None else {"logits"})

    def predicted_ab(self, prediction: Prediction) -> paddle.Tensor:
        """Predicted colour, float32 (B, 2, h, w), Lab units, through which gradients flow."""
        if self.annealed_mean is None:
            return prediction.ab.astype("float32")
        size, _, height, width = prediction.logits.shape
        weights_bqn = unnormalised_probabilities(prediction.logits, self.annealed_mean)
        a_b1n, b_b1n, total_b1n = paddle.matmul(self._rows_3q, weights_bqn).split(3, axis=1)
        return paddle.concat([a_b1n / total_b1n, b_b1n / total_b1n], axis=1).reshape([size, 2, height, width])
