"""ddcolor: two decoders on a ConvNeXt, one of pixels and one of colour queries, whose product is colour."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import paddle
from paddle import nn
from paddle.nn import functional
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.color.lab_paddle import lightness_to_gray
from oldrestore.config.values import checked
from oldrestore.kernels.activations import RELU
from oldrestore.models.color_queries import HEADS, ColorQueries
from oldrestore.models.convnext import ConvNeXt
from oldrestore.models.convolution import conv2d, conv2d_normalized, joined, normalized
from oldrestore.models.spectral_norm import SpectralConv2D
from oldrestore.models.weights import load_weights

# Of ImageNet's photographs, sRGB 0..1: what its networks subtract and divide by.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Blocks and channels of the encoder's stages: ConvNeXt-T and ConvNeXt-L.
ENCODERS = {"tiny": ((3, 3, 9, 3), 96), "large": ((3, 3, 27, 3), 192)}
PIXEL_CHANNELS = 512  # of the pixel decoder's first two blocks; the third has half
QUERY_CHANNELS = 256
QUERIES, QUERY_LAYERS = 100, 9
LAST_ENLARGEMENT = 4


class DDColor(nn.Layer):
    """Colour of each pixel by regression: colour queries times pixel features.

    The photograph, as gray sRGB normalised by ImageNet's mean and deviation, goes through a ConvNeXt. A pixel decoder
    rises from its last features to full size by pixel shuffles, joining the encoder's features on its way; 100
    learnt queries look at its features of three sizes in turn, in 9 layers, and become embeddings. The product of
    each with a pixel's features is a map of that query; a last layer makes ab of the 100 maps and the normalised
    photograph. 55,005,104 parameters as ``tiny``, 227,866,256 as ``large``, at width 1.

    From the product on, everything is linear. It is therefore computed last layer first, on two channels instead of 256
    and 100, and gives the same numbers but for rounding.

    References
    ----------
    Kang, Yang, Ouyang, Ren, Li, Xie. DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders. ICCV 2023.
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"ab"})
    reads: ClassVar[tuple[str, ...]] = ("L_b1hw",)
    stride: ClassVar[int] = 32

    @checked
    def __init__(
        self,
        variant: Literal["tiny", "large"] = "tiny",
        width: Annotated[float, Field(gt=0, le=4)] = 1.0,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        depths, first = ENCODERS[variant]
        widths = [max(1, round(first * 2**stage * width)) for stage in range(4)]
        pixel = max(2, 2 * round(PIXEL_CHANNELS // 2 * width))
        # The names of layers are those of the released state dict.
        self.encoder = nn.LayerDict({"arch": ConvNeXt(depths, widths)})
        self.decoder = _Decoders(widths, pixel, max(HEADS, HEADS * round(QUERY_CHANNELS / HEADS * width)))
        self.refine_net = nn.Sequential(nn.Sequential(SpectralConv2D(QUERIES + 3, 2, 1, stores_v=True)))
        self.register_buffer("mean", paddle.to_tensor(MEAN).reshape([1, 3, 1, 1]), persistable=False)
        self.register_buffer("std", paddle.to_tensor(STD).reshape([1, 3, 1, 1]), persistable=False)
        if weights is not None:
            load_weights(self, Path(weights))

    def forward(self, L_b1hw: paddle.Tensor) -> Prediction:
        """Predict ab (B, 2, H, W), Lab units, from lightness (B, 1, H, W), 0..100; H and W multiples of 32."""
        x = (lightness_to_gray(L_b1hw).astype(self.mean.dtype) - self.mean) / self.std
        last = self.refine_net[0][0]
        of_queries, of_photograph = last.kernel().split([QUERIES, 3], axis=1)
        colored = self.decoder(self.encoder["arch"](x), of_queries.flatten(start_axis=1))
        return Prediction(ab=(colored + conv2d(x, of_photograph, last.bias)).astype("float32"))

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 (B, 2, H, W), Lab units: the prediction itself."""
        return prediction.ab


class _Decoders(nn.Layer):
    """The pixel decoder, with the colour decoder inside it."""

    def __init__(self, encoder: list[int], pixel: int, queries: int) -> None:
        super().__init__()
        c4, c8, c16, c32 = encoder
        half = pixel // 2
        self.layers = nn.LayerList([_Rise(c32, c16, pixel), _Rise(pixel, c8, pixel), _Rise(pixel, c4, half)])
        self.last_shuf = _Shuffle(half, half, LAST_ENLARGEMENT, norm=False)
        self.color_decoder = ColorQueries([pixel, pixel, half], queries, half, QUERIES, QUERY_LAYERS)

    def forward(self, encoded: list[paddle.Tensor], last_2q: paddle.Tensor) -> paddle.Tensor:
        """Return what the last layer, (2, queries), makes of the queries' maps: (B, 2, H, W)."""
        x, rising = encoded[-1], []
        for block, across in zip(self.layers, encoded[-2::-1], strict=True):
            x = block(x, across)
            rising.append(x)
        colors_b2c = paddle.matmul(last_2q, self.color_decoder(rising))
        # (B, C x 16, h, w), the sixteen pixels of each place beside one another. Colour first, then the shuffle.
        pixels = self.last_shuf.pixels(x)
        colored = paddle.matmul(colors_b2c, pixels.reshape([0, colors_b2c.shape[-1], -1]))
        # While a network is exported its sides are not known, and only this asks for them.
        sides = pixels.shape[2:] if paddle.in_dynamic_mode() else paddle.shape(pixels)[2:].unbind()
        return self.last_shuf.spread(colored.reshape([0, 2 * LAST_ENLARGEMENT**2, *sides]))


class _Shuffle(nn.Layer):
    """Enlargement: a 1 x 1 convolution, ReLU, pixel shuffle, and the mean of 2 x 2 against a checkerboard."""

    def __init__(self, inputs: int, outputs: int, scale: int, norm: bool) -> None:
        super().__init__()
        self.scale = scale
        layer = SpectralConv2D(inputs, outputs * scale**2, 1, stores_v=True, bias_attr=False if norm else None)
        layer.start_from(paddle.repeat_interleave(layer.weight[:outputs], scale**2, axis=0))  # ICNR: no checkerboard
        self.conv = nn.Sequential(layer, *([nn.BatchNorm2D(outputs * scale**2)] if norm else []))

    def pixels(self, x: paddle.Tensor) -> paddle.Tensor:
        """Return the pixels, (B, outputs x scale^2, h, w), before they are spread."""
        if len(self.conv) == 1:
            return self.conv[0](x, RELU)
        return conv2d_normalized(x, self.conv[0].kernel(), self.conv[1], RELU)

    def spread(self, pixels: paddle.Tensor) -> paddle.Tensor:
        """Spread pixels (B, C x scale^2, h, w) to (B, C, scale h, scale w), and average with those above and left."""
        x = functional.pixel_shuffle(pixels, self.scale)
        return functional.avg_pool2d(functional.pad(x, [1, 0, 1, 0], mode="replicate"), 2, stride=1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.spread(self.pixels(x))


class _Rise(nn.Layer):
    """Features at twice the size, joined with the encoder's."""

    def __init__(self, inputs: int, across: int, outputs: int) -> None:
        super().__init__()
        self.shuf = _Shuffle(inputs, outputs, 2, norm=True)
        self.bn = nn.BatchNorm2D(across)
        layer = SpectralConv2D(outputs + across, outputs, 3, stores_v=True, padding=1, bias_attr=False)
        self.conv = nn.Sequential(layer, nn.ReLU(), nn.BatchNorm2D(outputs))

    def forward(self, x: paddle.Tensor, across: paddle.Tensor) -> paddle.Tensor:
        # What the shuffle gives is a mean of numbers above 0, which a ReLU leaves alone.
        x = joined([self.shuf(x), normalized(self.bn, across, RELU)])
        return normalized(self.conv[2], self.conv[0](x, RELU))
