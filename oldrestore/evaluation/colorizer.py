"""Colours photographs of any size with a network: predicts at network size, gives colour at full size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal, Protocol

import numpy as np
import paddle
from PIL import Image

from oldrestore.batch import Prediction
from oldrestore.evaluation.prediction import ColorPrediction

TOP_BINS = 5


class ColorNetwork(Protocol):
    """A network that says how its prediction becomes colour."""

    stride: int

    def __call__(self, L_b1hw: paddle.Tensor) -> Prediction:
        """Predict from lightness, 0..100."""

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour (B, 2, h, w), Lab units, at the scale of the prediction."""


class Colorizer:
    """Predicts the colour of photographs from their lightness.

    Parameters
    ----------
    network : ColorNetwork
        In evaluation mode.
    size : int
        The network sees each photograph at this size (pixels), rounded to a multiple of its stride.
    fit : {"shorter_side", "squash"}
        Whether `size` is the shorter side, the aspect kept, or both sides.
    batch_size : int
        Photographs of one shape that go through the network together.
    """

    def __init__(
        self,
        network: ColorNetwork,
        size: int = 256,
        fit: Literal["shorter_side", "squash"] = "shorter_side",
        batch_size: int = 16,
    ) -> None:
        self.network = network
        self.size = size
        self.fit = fit
        self.batch_size = batch_size

    def __call__(self, photos: Sequence[np.ndarray]) -> list[ColorPrediction]:
        """Predict colour.

        Parameters
        ----------
        photos : sequence of np.ndarray
            Lightness L, float32 (H, W), 0..100; sizes may differ.

        Returns
        -------
        list of ColorPrediction
            In the order given, ab at each photograph's own size.
        """
        shapes = [self.network_shape(*L.shape) for L in photos]
        predictions: dict[int, ColorPrediction] = {}
        order = sorted(range(len(photos)), key=lambda index: shapes[index])
        for shape, group in groupby(order, key=lambda index: shapes[index]):
            indices = list(group)
            for start in range(0, len(indices), self.batch_size):
                chunk = indices[start : start + self.batch_size]
                for index, prediction in zip(chunk, self._predict([photos[i] for i in chunk], shape), strict=True):
                    predictions[index] = prediction
        return [predictions[index] for index in range(len(photos))]

    def network_shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the network sees a photograph."""
        scale = self.size / min(height, width)
        sides = (self.size, self.size) if self.fit == "squash" else (height * scale, width * scale)
        stride = self.network.stride
        return tuple(max(stride, round(side / stride) * stride) for side in sides)

    @paddle.no_grad()
    def _predict(self, photos: Sequence[np.ndarray], shape: tuple[int, int]) -> list[ColorPrediction]:
        L_bhw = np.stack([resize(L, shape) for L in photos])
        prediction = self.network(paddle.to_tensor(L_bhw[:, None]))
        ab_bhw2 = self.network.decode(prediction).transpose([0, 2, 3, 1]).numpy()
        bins = [None] * len(photos)
        if prediction.logits is not None:
            top = paddle.topk(prediction.logits, TOP_BINS, axis=1)[1]
            bins = list(top.transpose([0, 2, 3, 1]).numpy())
        return [
            ColorPrediction(
                ab_hw2=np.stack([resize(ab_hw2[..., c], L.shape) for c in range(2)], axis=-1),
                top_bins=top_bins,
            )
            for L, ab_hw2, top_bins in zip(photos, ab_bhw2, bins, strict=True)
        ]


def resize(channel_hw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize one float channel (H, W) bilinearly; when it shrinks, the filter widens so that nothing aliases."""
    if channel_hw.shape == tuple(shape):
        return np.ascontiguousarray(channel_hw, dtype=np.float32)
    picture = Image.fromarray(np.ascontiguousarray(channel_hw, dtype=np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
