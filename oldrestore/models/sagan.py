"""SAGAN's generator for photographs: one network family that restores (fills holes) and colours.

An encoder-decoder with a dilated middle, self-attention at a scale that is chosen, and spectral norm in every
convolution; after Zhang, Goodfellow, Metaxas, Odena, Self-Attention Generative Adversarial Networks (ICML 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.models.attention import SelfAttention
from oldrestore.models.convolution import Conv2D, Sequential, doubled, joined, summed
from oldrestore.models.spectral_norm import SpectralConv2D
from oldrestore.models.weights import load_weights

AB_SCALE = 110.0  # the colour head gives ab / 110
DILATIONS = (1, 2, 4, 2)  # of the blocks at 1/8 of the size: they see 100 pixels away
SMALLEST = 1e-6  # share of known pixels below which `harmonic_fill` counts a coarse pixel as unknown
RELAXATIONS = 8  # of `harmonic_fill` at each scale; more change little

Width = Annotated[float, Field(gt=0, le=4)]
AttentionScale = Literal[4, 8]


class SaganTrunk(nn.Layer):
    """Features of every pixel, seen in the context of the whole picture.

    Down to 1/8 in three steps, `DILATIONS` residual blocks there, up again by nearest-neighbour enlargement with
    the encoder's features joined in at each scale. Self-attention is at 1/`attention_scale` of the size.
    """

    stride: ClassVar[int] = 8

    def __init__(self, inputs: int, width: float, attention_scale: int, pooled_attention: bool) -> None:
        super().__init__()
        c1, c2, c4 = (max(8, round(channels * width)) for channels in (64, 128, 256))
        self.outputs = c1
        # The first features keep the picture's brightness: a norm would take it away.
        self.encode1 = Sequential(SpectralConv2D(inputs, c1, 3, padding=1), nn.LeakyReLU(0.2))
        self.encode2 = _block(c1, c2, kernel=4, stride=2)
        self.encode4 = _block(c2, c4, kernel=4, stride=2)
        self.encode8 = _block(c4, c4, kernel=4, stride=2)
        self.middle = Sequential(*[DilatedResidual(c4, dilation) for dilation in DILATIONS])
        self.attention_scale = attention_scale
        self.attention = SelfAttention(c4, pooled_attention)
        self.decode4 = _block(2 * c4, c4)
        self.decode2 = _block(c4 + c2, c2)
        self.decode1 = Sequential(SpectralConv2D(c2 + c1, c1, 3, padding=1), nn.LeakyReLU(0.2))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        x1 = self.encode1(x)
        x2 = self.encode2(x1)
        x4 = self.encode4(x2)
        x8 = self.middle(self.encode8(x4))
        if self.attention_scale == 8:
            x8 = self.attention(x8)
        y4 = self.decode4(_joined(x8, x4))
        if self.attention_scale == 4:
            y4 = self.attention(y4)
        y2 = self.decode2(_joined(y4, x2))
        return self.decode1(_joined(y2, x1))


class DilatedResidual(nn.Layer):
    """x + two 3 x 3 convolutions of it, the first dilated."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.inner = Sequential(
            SpectralConv2D(channels, channels, 3, padding=dilation, dilation=dilation, bias_attr=False),
            nn.BatchNorm2D(channels),
            nn.ReLU(),
            SpectralConv2D(channels, channels, 3, padding=1, bias_attr=False),
            nn.BatchNorm2D(channels),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map (B, channels, h, w) to the same shape."""
        return summed(x, self.inner(x))


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> Sequential:
    return Sequential(
        SpectralConv2D(inputs, outputs, kernel, stride=stride, padding=1, bias_attr=False),
        nn.BatchNorm2D(outputs),
        nn.LeakyReLU(0.2),
    )


def _joined(small: paddle.Tensor, large: paddle.Tensor) -> paddle.Tensor:
    """Enlarge to twice the size and concatenate the encoder's features."""
    return joined([doubled(small, "nearest"), large])


def _head(inputs: int, outputs: int) -> nn.Conv2D:
    """Build the last convolution: not normalised, as its output has a unit, and near 0 at the start."""
    return Conv2D(inputs, outputs, 3, padding=1, weight_attr=nn.initializer.Normal(std=1e-3))


class SaganRestorer(nn.Layer):
    """Fills the holes of damaged photographs: damaged RGB and a hole mask in, a clean photograph out.

    The holes are first filled without learning (`start`), and the network adds what it has learnt is missing.

    Parameters
    ----------
    attention_scale : {4, 8}
        Self-attention is at 1/4 or 1/8 of the size.
    output : {"composed", "full"}
        ``composed`` keeps the known pixels; ``full`` repaints them too.
    start : {"harmonic", "mean"}
        How holes are filled first: with a smooth continuation of the known pixels, or with their mean.

    References
    ----------
    Zhang, Goodfellow, Metaxas, Odena. Self-Attention Generative Adversarial Networks. ICML 2019.
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"rgb"})
    reads: ClassVar[tuple[str, ...]] = ("damaged_b3hw", "hole_b1hw")
    stride: ClassVar[int] = SaganTrunk.stride
    # What is worth exporting for inference (`oldrestore.engines.fast_network`), and what it takes.
    exported_part: ClassVar[tuple[str, tuple[str, ...]]] = ("repainting", ("filled_b3hw", "hole_b1hw"))

    @checked
    def __init__(
        self,
        width: Width = 1.0,
        weights: str | None = None,
        attention_scale: AttentionScale = 4,
        pooled_attention: bool = True,
        output: Literal["composed", "full"] = "composed",
        start: Literal["harmonic", "mean"] = "harmonic",
    ) -> None:
        super().__init__()
        self.output = output
        self.start = start
        self.trunk = SaganTrunk(4, width, attention_scale, pooled_attention)
        self.head = _head(self.trunk.outputs, 3)
        if weights is not None:
            load_weights(self, Path(weights))

    def forward(self, damaged_b3hw: paddle.Tensor, hole_b1hw: paddle.Tensor | None = None) -> Prediction:
        """Predict clean photographs, sRGB (B, 3, H, W), 0..1, from damaged ones; the mask is 1 in holes."""
        if damaged_b3hw is None:
            raise UserError("SaganRestorer needs damaged photographs: take inputs=holes")
        if hole_b1hw is None:
            hole_b1hw = paddle.zeros_like(damaged_b3hw[:, :1])
        filled_b3hw = self.starting_fill(damaged_b3hw, hole_b1hw)
        rgb_b3hw = paddle.clip(filled_b3hw + self.repainting(filled_b3hw, hole_b1hw), 0.0, 1.0)
        if self.output == "composed":
            rgb_b3hw = paddle.where(hole_b1hw.astype("bool"), rgb_b3hw, damaged_b3hw)
        return Prediction(rgb=rgb_b3hw)

    def repainting(self, filled_b3hw: paddle.Tensor, hole_b1hw: paddle.Tensor) -> paddle.Tensor:
        """What the network adds to the start, float32 (B, 3, H, W), -1..1."""
        features = self.trunk(paddle.concat([filled_b3hw * 2.0 - 1.0, hole_b1hw], axis=1))
        return functional.tanh(self.head(features)).astype("float32")

    def starting_fill(self, damaged_b3hw: paddle.Tensor, hole_b1hw: paddle.Tensor) -> paddle.Tensor:
        """Fill the holes by the method `start`; sRGB (B, 3, H, W), 0..1."""
        fill = harmonic_fill if self.start == "harmonic" else mean_fill
        return fill(damaged_b3hw, hole_b1hw)


class SaganColorizer(nn.Layer):
    """Colours gray photographs as a conditional GAN: L in, ab at full size out; parameters as for `SaganRestorer`.

    References
    ----------
    Zhang, Goodfellow, Metaxas, Odena. Self-Attention Generative Adversarial Networks. ICML 2019.
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"ab"})
    reads: ClassVar[tuple[str, ...]] = ("L_b1hw",)
    stride: ClassVar[int] = SaganTrunk.stride

    @checked
    def __init__(
        self,
        width: Width = 1.0,
        weights: str | None = None,
        attention_scale: AttentionScale = 4,
        pooled_attention: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = SaganTrunk(1, width, attention_scale, pooled_attention)
        self.head = _head(self.trunk.outputs, 2)
        if weights is not None:
            load_weights(self, Path(weights))

    def forward(self, L_b1hw: paddle.Tensor) -> Prediction:
        """Predict ab (B, 2, H, W), Lab units within -110..110, from lightness (B, 1, H, W), 0..100."""
        features = self.trunk((L_b1hw - 50.0) / 50.0)
        return Prediction(ab=functional.tanh(self.head(features)).astype("float32") * AB_SCALE)

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 (B, 2, H, W), Lab units."""
        return prediction.ab


def mean_fill(picture_bchw: paddle.Tensor, hole_b1hw: paddle.Tensor) -> paddle.Tensor:
    """Fill the holes (1, elsewhere 0) of each picture with the mean of its known pixels; 0 where nothing is known."""
    known = 1.0 - hole_b1hw
    count = paddle.clip(known.sum(axis=[2, 3], keepdim=True), min=1.0)
    mean = (picture_bchw * known).sum(axis=[2, 3], keepdim=True) / count
    return picture_bchw * known + mean * hole_b1hw


def harmonic_fill(picture_bchw: paddle.Tensor, hole_b1hw: paddle.Tensor) -> paddle.Tensor:
    """Fill holes as smoothly as their borders allow: about the solution of Laplace's equation in them.

    Known pixels are averaged to ever coarser scales; on the way back each scale takes the coarser one, enlarged
    bilinearly, into its holes (the pull-push of Gortler et al., *The Lumigraph*, SIGGRAPH 1996, section 3.4) and
    relaxes it: `RELAXATIONS` times each pixel in a hole becomes the mean of its four neighbours. No gradient flows.
    """
    # Not as a decorator: Paddle's would leave gradients switched off after a function that calls itself.
    with paddle.no_grad():
        return _pull_push(picture_bchw, 1.0 - hole_b1hw)


def _pull_push(picture_bchw: paddle.Tensor, known: paddle.Tensor) -> paddle.Tensor:
    color = picture_bchw * known
    height, width = color.shape[-2:]
    if max(height, width) == 1:
        return color
    coarse_known = _halved(known)
    coarse = _halved(color) / paddle.clip(coarse_known, min=SMALLEST)
    # Four pixels make one of the next scale; it counts as known as soon as one of the four is.
    filled = _pull_push(coarse, (coarse_known >= SMALLEST).astype(color.dtype))
    # To twice the padded side, then cut: an odd side was padded on the way down.
    larger = functional.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
    picture = color + larger[:, :, :height, :width] * (1.0 - known)
    unknown = 1.0 - known
    if paddle.in_dynamic_mode() and picture.place.is_cpu_place():  # NumPy: the same numbers in a tenth of the time
        return paddle.to_tensor(_relaxed(picture.numpy(), color.numpy(), unknown.numpy(), _framed))
    return _relaxed(picture, color, unknown, partial(functional.pad, pad=[1, 1, 1, 1], mode="replicate"))


def _relaxed(picture_bchw: Any, color_bchw: Any, unknown_b1hw: Any, padded_around: Callable[[Any], Any]) -> Any:
    """Make each unknown pixel the mean of its four neighbours, again and again; at the border, itself is outside."""
    for _ in range(RELAXATIONS):
        padded = padded_around(picture_bchw)
        beside = padded[:, :, 1:-1, :-2] + padded[:, :, 1:-1, 2:]
        mean = (beside + padded[:, :, :-2, 1:-1] + padded[:, :, 2:, 1:-1]) * 0.25
        picture_bchw = color_bchw + mean * unknown_b1hw
    return picture_bchw


def _framed(x_bchw: np.ndarray) -> np.ndarray:
    """Repeat the border around the pixels, which `np.pad` takes twenty times as long for; corners hold anything."""
    *leading, height, width = x_bchw.shape
    padded = np.empty((*leading, height + 2, width + 2), x_bchw.dtype)
    inner = padded[..., 1:-1, 1:-1]
    inner[:] = x_bchw
    padded[..., 0, 1:-1], padded[..., -1, 1:-1] = inner[..., 0, :], inner[..., -1, :]
    padded[..., 1:-1, 0], padded[..., 1:-1, -1] = inner[..., 0], inner[..., -1]
    return padded


def _halved(x_bchw: paddle.Tensor) -> paddle.Tensor:
    """Mean of each 2 x 2 pixels; an odd last row or column is padded with zeros, which count as unknown."""
    height, width = x_bchw.shape[-2:]
    if height % 2 or width % 2:
        x_bchw = functional.pad(x_bchw, [0, width % 2, 0, height % 2])
    return functional.avg_pool2d(x_bchw, 2)
