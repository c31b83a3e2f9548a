"""Colours photographs of any size with a network: predicts at network size, gives colour at full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, Protocol

import numpy as np
import paddle
from PIL import Image

from oldrestore.batch import Prediction
from oldrestore.color.gamut import lab_to_rgb8_in_gamut
from oldrestore.color.joining import ColorOfRows, interpolated_rows
from oldrestore.evaluation.prediction import ColorPrediction, recolor_rows

TOP_BINS = 5


class ColorNetwork(Protocol):
    """A network that says how its prediction becomes colour."""

    stride: int

    def __call__(self, L_b1hw: paddle.Tensor) -> Prediction:
        """Predict from lightness, 0..100."""

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour (B, 2, h, w), Lab units, at the scale of the prediction."""


def predicts_color(network: Any) -> bool:
    """Whether a network predicts colour from lightness."""
    return hasattr(network, "decode") and network.reads[0] == "L_b1hw"


@dataclass
class Colorizer:
    """Predicts the colour of photographs from their lightness.

    The network, in evaluation mode, sees each photograph at `size` pixels, rounded to a multiple of its stride: its
    shorter side, the aspect kept, or with the fit "squash" both sides.
    """

    network: ColorNetwork
    size: int = 256
    fit: Literal["shorter_side", "squash"] = "shorter_side"
    batch_size: int = 16  # photographs of one shape that go through the network together

    def __call__(
        self, photos: Sequence[np.ndarray], hints: Sequence[np.ndarray | None] | None = None
    ) -> list[ColorPrediction]:
        """Predict the colour of photographs of which L is given, float32 (H, W), 0..100; sizes may differ.

        `hints` of each photograph, float32 (3, h, w) as `Batch.hints_b3hw` has them, at the size `network_shape` gives,
        are for a network that reads them as its second input.
        """
        small = self._grouped(photos, hints, top_bins=True)
        return [
            ColorPrediction(at_full_size(self.network, ab_hw2, L), top_bins)
            for L, (ab_hw2, top_bins) in zip(photos, small, strict=True)
        ]

    def small(self, photos: Sequence[np.ndarray], hints: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray]:
        """Predict colour at the scale of the network, float32 (h, w, 2); see `color_of_rows`. Arguments as above."""
        return [ab_hw2 for ab_hw2, _ in self._grouped(photos, hints, top_bins=False)]

    def color_of_rows(self, ab_hw2: np.ndarray, L_hw: np.ndarray) -> ColorOfRows:
        """Bring colour of `small` to the size of its photograph, some rows at a time.

        Joined as the network says it is, else interpolated.
        """
        prepare = getattr(self.network, "joined_rows", None)
        return interpolated_rows(ab_hw2, L_hw.shape) if prepare is None else prepare(ab_hw2, L_hw)

    def recolored(self, L_hw: np.ndarray, hints: np.ndarray | None = None) -> np.ndarray:
        """Return lightness in predicted colour, uint8 (H, W, 3), for people to look at. Arguments as above."""
        color_of_rows = self.color_of_rows(self.small([L_hw], [hints])[0], L_hw)
        return recolor_rows(L_hw, color_of_rows, lab_to_rgb8_in_gamut)

    def _grouped(
        self, photos: Sequence[np.ndarray], hints: Sequence[np.ndarray | None] | None, top_bins: bool
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Predict photographs of one shape together: (ab, top bins) of each at the network's scale, in order."""
        shapes = [self.network_shape(*L.shape) for L in photos]
        predictions: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        order = sorted(range(len(photos)), key=lambda index: shapes[index])
        for shape, group in groupby(order, key=lambda index: shapes[index]):
            indices = list(group)
            for start in range(0, len(indices), self.batch_size):
                chunk = indices[start : start + self.batch_size]
                drawn = [None if hints is None else hints[i] for i in chunk]
                predicted = self._predict([photos[i] for i in chunk], shape, drawn, top_bins)
                predictions.update(zip(chunk, predicted, strict=True))
        return [predictions[index] for index in range(len(photos))]

    def network_shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the network sees a photograph."""
        scale = self.size / min(height, width)
        sides = (self.size, self.size) if self.fit == "squash" else (height * scale, width * scale)
        stride = self.network.stride
        return tuple(max(stride, round(side / stride) * stride) for side in sides)

    @paddle.no_grad()
    def _predict(
        self,
        photos: Sequence[np.ndarray],
        shape: tuple[int, int],
        hints: Sequence[np.ndarray | None],
        top_bins: bool,
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        inputs = [np.stack([resize(L, shape) for L in photos])[:, None]]
        if any(drawn is not None for drawn in hints):
            none = np.zeros((3, *shape), dtype=np.float32)
            inputs.append(np.stack([none if drawn is None else drawn for drawn in hints]))
        prediction = self.network(*map(paddle.to_tensor, inputs))
        ab_bhw2 = self.network.decode(prediction).transpose([0, 2, 3, 1]).numpy()
        bins = [None] * len(photos)
        if top_bins and prediction.logits is not None:
            top = paddle.topk(prediction.logits, TOP_BINS, axis=1)[1]
            bins = list(top.transpose([0, 2, 3, 1]).numpy())
        return list(zip(ab_bhw2, bins, strict=True))


def at_full_size(network: ColorNetwork, ab_hw2: np.ndarray, L_hw: np.ndarray) -> np.ndarray:
    """Colour at a photograph's size: joined as the network says it is, else interpolated."""
    join = getattr(network, "join", None)
    if join is not None:
        return join(ab_hw2, L_hw)
    return np.stack([resize(ab_hw2[..., c], L_hw.shape) for c in range(2)], axis=-1)


def resize(channel_hw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize one float channel (H, W) bilinearly; when it shrinks, the filter widens so that nothing aliases."""
    if channel_hw.shape == tuple(shape):
        return np.ascontiguousarray(channel_hw, dtype=np.float32)
    picture = Image.fromarray(np.ascontiguousarray(channel_hw, dtype=np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
