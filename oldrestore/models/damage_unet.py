"""A small U-Net that finds damage: a photograph in, for each pixel a score of how likely its structure is lost out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import paddle
from paddle import nn
from paddle.nn import functional
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.config.values import checked
from oldrestore.models.convolution import Conv2D
from oldrestore.models.layers import initialise
from oldrestore.models.released import released_weights
from oldrestore.models.weights import load_weights

CHANNELS = (32, 48, 64, 96)  # at 1/2, 1/4, 1/8 and 1/16 of the size, at width 1
BLOCK = 2  # pixels that become channels of one position, and positions that become pixels again at the end
SURROUNDINGS = 9  # side of the square whose mean a pixel is compared with
PRIOR = -2.0  # score of any pixel before training: damage is rare


class DamageUnet(nn.Layer):
    """Segments structured damage (scratches, creases, tears, holes, dust, stains) in a photograph.

    Four scales, two 3 x 3 convolutions with batch norm on each way, additive skips. The first scale is at half the
    size, with the 2 x 2 pixels of a position as channels, so that lines of one pixel are kept and full-size feature
    maps, which take most of a U-Net's time on a CPU, are not needed. Each pixel comes with its difference to the mean
    of its surroundings, in which thin lines show. The coarsest scale is dilated: its course tells a long line from a
    short edge.


    Parameters
    ----------
    weights : str or None
        A file, or ``released`` for the weights shipped with oldrestore (width 0.5).


    References
    ----------
    Ronneberger, Fischer, Brox. U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015; Shi et
    al. Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network.
    CVPR 2016 (pixels as channels); Lin et al. Focal Loss for Dense Object Detection. ICCV 2017 (the first score).
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"damage_logits"})
    reads: ClassVar[tuple[str, ...]] = ("damaged_b3hw",)
    stride: ClassVar[int] = 16

    @checked
    def __init__(self, width: Annotated[float, Field(gt=0, le=4)] = 1.0, weights: str | None = None) -> None:
        super().__init__()
        channels = [max(1, round(count * width)) for count in CHANNELS]
        inputs = [6 * BLOCK * BLOCK, *channels[:-1]]
        dilations = [1, 1, 1, 2]
        self.down = nn.LayerList([_pair(*three) for three in zip(inputs, channels, dilations, strict=True)])
        self.narrow = nn.LayerList([Conv2D(*pair, 1) for pair in zip(channels[1:], channels[:-1], strict=True)])
        self.up = nn.LayerList([_pair(count, count, 1) for count in channels[:-1]])
        self.head = Conv2D(channels[0], BLOCK * BLOCK, 1)
        initialise(self, heads=[self.head])
        nn.initializer.Constant(PRIOR)(self.head.bias)
        if weights is not None:
            load_weights(self, released_weights("damage_unet").path if weights == "released" else Path(weights))

    def forward(self, damaged_b3hw: paddle.Tensor) -> Prediction:
        """Predict ``damage_logits`` (B, 1, H, W) from sRGB (B, 3, H, W), 0..1; H and W multiples of 16."""
        around = SURROUNDINGS // 2
        mean = functional.avg_pool2d(damaged_b3hw, SURROUNDINGS, stride=1, padding=around, exclusive=True)
        x = paddle.concat([(damaged_b3hw - 0.5) * 4.0, (damaged_b3hw - mean) * 8.0], axis=1)
        x = functional.pixel_unshuffle(x, BLOCK)
        seen = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            seen.append(x)
        for level in reversed(range(len(self.up))):
            x = functional.interpolate(self.narrow[level](x), scale_factor=2, mode="nearest")
            x = self.up[level](seen[level] + x)
        return Prediction(damage_logits=functional.pixel_shuffle(self.head(x), BLOCK))


def _pair(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    """Two convolutions, each with batch norm (so without bias) and ReLU."""
    return nn.Sequential(*_convolution(inputs, outputs, 1), *_convolution(outputs, outputs, dilation))


def _convolution(inputs: int, outputs: int, dilation: int) -> tuple[nn.Layer, ...]:
    convolution = nn.Conv2D(inputs, outputs, 3, padding=dilation, dilation=dilation, bias_attr=False)
    return convolution, nn.BatchNorm2D(outputs), nn.ReLU()
