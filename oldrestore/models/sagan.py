"""SAGAN's generator for photographs: one network family that restores (fills holes) and colours.

An encoder-decoder with a dilated middle, self-attention at a scale that is chosen, and spectral norm in every
convolution; after Zhang, Goodfellow, Metaxas, Odena, Self-Attention Generative Adversarial Networks (ICML 2019).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import paddle
from paddle import nn
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.models.attention import SelfAttention
from oldrestore.models.convolution import Conv2D, Sequential, doubled, joined, summed
from oldrestore.models.known_fill import harmonic_fill, mean_fill
from oldrestore.models.spectral_norm import SpectralConv2D
from oldrestore.models.weights import load_weights

AB_SCALE = 110.0  # the colour head gives ab / 110
DILATIONS = (1, 2, 4, 2)  # of the blocks at 1/8 of the size: they see 100 pixels away


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
        Self-attention is at 1/4 or 1/8 of the size, pooled (`SelfAttention`) if `pooled_attention`.
    output : {"composed", "full"}
        ``composed`` keeps the known pixels as they are; ``full`` repaints them too.
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
        return nn.functional.tanh(self.head(features)).astype("float32")

    def starting_fill(self, damaged_b3hw: paddle.Tensor, hole_b1hw: paddle.Tensor) -> paddle.Tensor:
        """Fill the holes without learning, as `start` says; sRGB (B, 3, H, W), 0..1."""
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
        return Prediction(ab=nn.functional.tanh(self.head(features)).astype("float32") * AB_SCALE)

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 (B, 2, H, W), Lab units."""
        return prediction.ab
