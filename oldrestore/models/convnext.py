"""ConvNeXt without its classifier: features of a photograph at a quarter to a thirty-second of its size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.models.convolution import Conv2D, summed

EPSILON = 1e-6  # of the norms
LAYER_SCALE = 1e-6  # what a block first adds to its input, times its branch
SMALL = nn.initializer.TruncatedNormal(std=0.02)


class ConvNeXt(nn.Layer):
    """Four stages of blocks, each at half the size of the one before and normalised on its way out.

    Layers are named as in the state dicts published with the paper, with ``norm0`` to ``norm3`` for the outputs.

    Parameters
    ----------
    depths, widths : sequence of int
        Blocks and channels of each stage; (3, 3, 9, 3) and (96, 192, 384, 768) is ConvNeXt-T.

    References
    ----------
    Liu, Mao, Wu, Feichtenhofer, Darrell, Xie. A ConvNet for the 2020s. CVPR 2022.
    """

    def __init__(self, depths: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        first = nn.Sequential(_convolution(3, widths[0], 4, stride=4), _norm(widths[0]))
        halved = [
            nn.Sequential(_norm(wide), _convolution(wide, wider, 2, stride=2)) for wide, wider in pairwise(widths)
        ]
        self.downsample_layers = nn.LayerList([first, *halved])
        self.stages = nn.LayerList(
            [nn.Sequential(*(_Block(wide) for _ in range(depth))) for depth, wide in zip(depths, widths, strict=True)]
        )
        for index, wide in enumerate(widths):
            self.add_sublayer(f"norm{index}", _norm(wide))

    def forward(self, x_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Return the features of each stage, (B, C, H/4, W/4) first; H and W are multiples of 32."""
        features, x = [], x_b3hw
        for index, (smaller, stage) in enumerate(zip(self.downsample_layers, self.stages, strict=True)):
            x = stage(smaller(x))
            features.append(getattr(self, f"norm{index}")(x))
        return features


class _ChannelNorm(nn.LayerNorm):
    """Layer norm of (B, C, H, W) over the channels of each place."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return super().forward(x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])


class _Block(nn.Layer):
    """A depthwise convolution, and two layers that see one place each; their sum with the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = _convolution(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, epsilon=EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels, weight_attr=SMALL)
        self.pwconv2 = nn.Linear(4 * channels, channels, weight_attr=SMALL)
        self.gamma = self.create_parameter([channels], default_initializer=nn.initializer.Constant(LAYER_SCALE))

    def forward(self, x_bchw: paddle.Tensor) -> paddle.Tensor:
        x_bhwc = self.norm(self.dwconv(x_bchw).transpose([0, 2, 3, 1]))
        x_bhwc = functional.gelu(self.pwconv1(x_bhwc))
        # gamma scales the layer instead of its result, which is far larger.
        x_bhwc = functional.linear(x_bhwc, self.pwconv2.weight * self.gamma, self.pwconv2.bias * self.gamma)
        return summed(x_bchw, x_bhwc.transpose([0, 3, 1, 2]))


def _convolution(inputs: int, outputs: int, kernel: int, **settings: int) -> Conv2D:
    return Conv2D(inputs, outputs, kernel, weight_attr=SMALL, **settings)


def _norm(channels: int) -> _ChannelNorm:
    return _ChannelNorm(channels, epsilon=EPSILON)
