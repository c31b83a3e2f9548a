"""Losses that look at photographs as a recognition network does: distance of features, and LPIPS."""

from __future__ import annotations

from typing import Literal

import paddle
from paddle import nn

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import NotNegative, mean_where_colour
from oldrestore.losses.predicted_color import PredictedColor, Temperature, original_rgb, recolored_rgb

# The least size of a layer's features that a distance is divided by.
SMALLEST_SIZE = 1e-6


class Perceptual(PredictedColor):
    """Distance of a recognition network's features between the recoloured photograph and the original.

    Mean over photographs of sum_l w_l d_l, with d_l the mean |f - g| of layer l's features f of the recoloured
    and g of the original photograph (or the mean of (f - g)^2). The latter is the feature reconstruction of Johnson,
    Alahi and Fei-Fei, *Perceptual Losses for Real-Time Style Transfer and Super-Resolution* (2016); Kang et al.,
    *DDColor* (2023), take |f - g|.
    ``relative`` divides d_l by the mean |g| (or g^2) of that photograph and layer: a 1 is then a difference as large as
    the features themselves, for any network and layer.

    The network is frozen, and no part of a checkpoint. It must not be the judge of the accuracy table, which would
    then praise what it has taught.
    """

    @checked
    def __init__(
        self,
        features: nn.Layer,  # maps sRGB (B, 3, H, W), 0..1, to a list of feature maps: ``oldrestore.models.features``
        layer_weights: list[NotNegative] | None = None,  # w_l of each map; None weighs all the same, with sum 1
        distance: Literal["l1", "l2"] = "l1",
        relative: bool = True,
        gray_threshold: NotNegative | None = None,
        annealed_mean: Temperature | None = None,
    ) -> None:
        super().__init__(annealed_mean, gray_threshold)
        layers = features.layers
        if layer_weights is None:
            layer_weights = [1.0 / layers] * layers
        if len(layer_weights) != layers:
            raise UserError(f"layer_weights must be {layers} numbers, or null, not {layer_weights}")
        if not any(layer_weights):
            raise UserError("layer_weights must have a number above 0")
        self.features = features
        self.layer_weights = list(layer_weights)
        self.distance = distance
        self.relative = relative

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean distance."""
        with paddle.amp.auto_cast(enable=False):
            recolored = self.features(recolored_rgb(self.predicted_ab(prediction), batch))
            with paddle.no_grad():
                original = self.features(original_rgb(batch))
            total_b = sum(
                weight * self._distances(f, g)
                for weight, f, g in zip(self.layer_weights, recolored, original, strict=True)
                if weight > 0
            )
            return mean_where_colour(total_b.reshape([-1, 1, 1]), batch, self.gray_threshold)

    def _distances(self, f_bchw: paddle.Tensor, g_bchw: paddle.Tensor) -> paddle.Tensor:
        """Distance of one layer's features, of each photograph, (B,)."""
        size = paddle.abs if self.distance == "l1" else paddle.square
        distance_b = size(f_bchw - g_bchw).flatten(start_axis=1).mean(axis=1)
        if not self.relative:
            return distance_b
        return distance_b / paddle.clip(size(g_bchw).flatten(start_axis=1).mean(axis=1), min=SMALLEST_SIZE)


class Lpips(PredictedColor):
    """LPIPS between the recoloured photograph and the original, mean over photographs.

    Zhang, Isola, Efros, Shechtman and Wang, *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*
    (2018). The network is frozen, and no part of a checkpoint.
    """

    @checked
    def __init__(
        self,
        network: nn.Layer,  # maps sRGB (B, 3, H, W), 0..1, twice, to distances (B,): ``oldrestore.models.lpips``
        gray_threshold: NotNegative | None = None,
        annealed_mean: Temperature | None = None,
    ) -> None:
        super().__init__(annealed_mean, gray_threshold)
        self.network = network

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean distance."""
        with paddle.amp.auto_cast(enable=False):
            distance_b = self.network(recolored_rgb(self.predicted_ab(prediction), batch), original_rgb(batch))
            return mean_where_colour(distance_b.reshape([-1, 1, 1]), batch, self.gray_threshold)
