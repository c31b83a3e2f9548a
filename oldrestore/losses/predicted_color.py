"""What a prediction would paint: the colour of each pixel, and the photograph that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import paddle
from paddle.nn import functional
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.color.lab_paddle import lab_to_rgb_nchw
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss, NotNegative

Temperature = Annotated[float, Field(gt=0, le=2.0)]


def unnormalised_probabilities(logits_bqhw: paddle.Tensor, temperature: float = 1.0) -> paddle.Tensor:
    """exp((z - max z) / temperature), float32 (B, 313, h w): divided by its sum over the bins, it is the softmax.

    Dividing what is summed, not what is summed up, spares a pass over 313 numbers for each pixel; and sums over
    bins are products with a matrix, for Paddle's own reductions over that axis are slow on a CPU.
    """
    scores = logits_bqhw.astype("float32").flatten(start_axis=2)
    # A softmax does not depend on what is subtracted, so no gradient needs to flow through it. It is written out to
    # full size because Paddle's subtraction is slow, on a CPU, where it has to repeat a tensor itself.
    largest = scores.max(axis=1, keepdim=True).detach().expand_as(scores)
    differences = scores - largest
    return paddle.exp(differences if temperature == 1.0 else differences * (1.0 / temperature))


class PredictedColor(Loss):
    """A loss that reads one colour for each pixel: the network's own ``ab``, or the annealed mean of its ``logits``.

    With a temperature T the colour is sum_q c_q softmax(z / T)_q over the centres c_q of the 313 bins (Zhang, Isola,
    Efros 2016, equation 5), which is differentiable: a network that predicts a distribution learns from what it
    would paint. `annealed_mean` is T: 1 is the mean, towards 0 the mode; 0.38 in that paper. None reads ``ab``.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"ab"})

    @checked
    def __init__(self, annealed_mean: Temperature | None = None, gray_threshold: NotNegative | None = None) -> None:
        super().__init__(gray_threshold)
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


def recolored_rgb(ab_b2hw: paddle.Tensor, batch: Batch) -> paddle.Tensor:
    """Join predicted ab (Lab units) to the batch's lightness: sRGB, float32 (B, 3, H, W), 0..1.

    A smaller ab is enlarged bilinearly, as it is when a photograph is coloured: what is looked at is the picture that
    people would see. Lightness taken at fewer pixels instead would alias, and a recognition network would see a
    photograph without its details. A channel that sRGB cannot show is clipped and has gradient 0.
    """
    size = batch.L_b1hw.shape[-2:]
    if ab_b2hw.shape[-2:] != size:
        ab_b2hw = functional.interpolate(ab_b2hw, size=size, mode="bilinear", align_corners=False)
    return lab_to_rgb_nchw(paddle.concat([batch.L_b1hw.astype("float32"), ab_b2hw], axis=1))


@paddle.no_grad()
def original_rgb(batch: Batch) -> paddle.Tensor:
    """The photographs themselves, from their Lab in the same way: a perfect prediction differs by nothing."""
    return recolored_rgb(batch.ab_b2hw.astype("float32"), batch)
