"""Rewrites a network for export without what Paddle 3.3.1 cannot run on a CPU with oneDNN; the numbers stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle
from paddle import nn

from oldrestore.models.convolution import Conv2D


class LoneLeakyReLU(nn.Layer):
    """LeakyReLU of x times one, which Paddle does not fuse into the convolution before it.

    max(x, slope x) is not fused either, but oneDNN has no maximum: tensors would be reordered around it.
    """

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Apply."""
        return nn.functional.leaky_relu(paddle.scale(x, 1.0), self.slope)


class WidenedConv2D(nn.Layer):
    """A convolution of one channel as one of two, the second of which is zero: several times as fast in oneDNN."""

    def __init__(self, one: nn.Conv2D) -> None:
        super().__init__()
        settings = {"stride": one._stride, "padding": one._padding, "dilation": one._dilation}
        self.two = nn.Conv2D(2, one._out_channels, one._kernel_size, bias_attr=one.bias is not None, **settings)
        self.two.weight.set_value(paddle.concat([one.weight, paddle.zeros_like(one.weight)], axis=1))
        if one.bias is not None:
            self.two.bias.set_value(one.bias)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve (B, 1, H, W)."""
        return self.two(paddle.concat([x, paddle.zeros_like(x)], axis=1))


def doubled_nearest(x: paddle.Tensor) -> paddle.Tensor:
    """Enlarge (B, C, h, w), h and w of any size, to twice the sides: each pixel four times."""
    return paddle.repeat_interleave(paddle.repeat_interleave(x, 2, axis=2), 2, axis=3)


def doubled_bilinear(x: paddle.Tensor) -> paddle.Tensor:
    """Enlarge (B, C, h, w) to twice the sides, bilinearly, with pixels as areas.

    Between two pixels, 3/4 of the nearer one and 1/4 of the other: each pixel four times, and then 1/4, 1/2, 1/4
    along both axes.
    """
    channels = x.shape[1]
    line = np.array([0.25, 0.5, 0.25], dtype=np.float32)
    weight = paddle.to_tensor(np.tile(np.outer(line, line), (channels, 1, 1, 1)))
    padded = nn.functional.pad(doubled_nearest(x), [1, 1, 1, 1], mode="replicate")
    return nn.functional.conv2d(padded, weight, groups=channels)


DOUBLED = {"nearest": doubled_nearest, "bilinear": doubled_bilinear}


@contextmanager
def plainly_written(network: nn.Layer) -> Iterator[None]:
    """Replace some operations by others that run everywhere, while a network is traced.

    Paddle Inference crashes when it fuses LeakyReLU into a convolution for oneDNN, and refuses interpolation there;
    paddle2onnx 2.1.0 crashes on pixel_unshuffle. A mean over height and width prints a debugging line.
    """
    places = [
        (parent, name, layer, plain)
        for parent in network.sublayers(include_self=True)
        for name, layer in parent.named_children()
        if (plain := _plain_layer(layer)) is not None
    ]
    functional = nn.functional
    original, original_unshuffle = functional.interpolate, functional.pixel_unshuffle

    @paddle.jit.not_to_static
    def interpolate(
        x: paddle.Tensor,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool = False,
        align_mode: int = 0,
        *rest: Any,
        **named: Any,
    ) -> paddle.Tensor:
        sides = list(x.shape[2:])
        known = len(sides) == 2 and min(sides) > 0 and not isinstance(size, paddle.Tensor)
        plain = not (align_corners or align_mode) and mode in DOUBLED
        if plain and not known and len(sides) == 2 and size is None and scale_factor == 2:
            return DOUBLED[mode](x)
        if not (plain and known):
            return original(x, size, scale_factor, mode, align_corners, align_mode, *rest, **named)
        if size is None:
            factors = [scale_factor] * 2 if isinstance(scale_factor, int | float) else list(scale_factor)
            size = [int(side * factor) for side, factor in zip(sides, factors, strict=True)]
        channels, (height, width) = x.shape[1], sides
        rows, columns = (
            paddle.to_tensor(interpolation_matrix(side, int(wanted), mode).T.copy())
            for side, wanted in zip(sides, size, strict=True)
        )
        # Products of plain matrices: those of 4-D tensors after convolutions are wrong in oneDNN.
        wide = paddle.matmul(x.reshape([-1, width]), columns).reshape([-1, channels, height, int(size[1])])
        tall = paddle.matmul(wide.transpose([0, 1, 3, 2]).reshape([-1, height]), rows)
        return tall.reshape([-1, channels, int(size[1]), int(size[0])]).transpose([0, 1, 3, 2])

    @paddle.jit.not_to_static
    def pixel_unshuffle(x: paddle.Tensor, downscale_factor: int, *rest: Any, **named: Any) -> paddle.Tensor:
        # A convolution whose every output channel takes one place of the square.
        square = downscale_factor**2
        places = np.tile(np.eye(square, dtype=np.float32), (x.shape[1], 1))
        weight = paddle.to_tensor(places.reshape([-1, 1, downscale_factor, downscale_factor]))
        return functional.conv2d(x, weight, stride=downscale_factor, groups=x.shape[1])

    mean_of_traced = paddle.pir.Value.mean

    def mean(x: paddle.Tensor, axis: Any = None, keepdim: bool = False, name: str | None = None) -> paddle.Tensor:
        if len(x.shape) != 4 or axis not in ([2, 3], (2, 3)):
            return mean_of_traced(x, axis, keepdim, name)
        pooled = functional.adaptive_avg_pool2d(x, 1)
        return pooled if keepdim else pooled.flatten(start_axis=1)

    try:
        paddle.pir.Value.mean = mean
        for parent, name, _, plain in places:
            parent.add_sublayer(name, plain)
        functional.interpolate, functional.pixel_unshuffle = interpolate, pixel_unshuffle
        yield
    finally:
        paddle.pir.Value.mean = mean_of_traced
        functional.interpolate, functional.pixel_unshuffle = original, original_unshuffle
        for parent, name, layer, _ in places:
            parent.add_sublayer(name, layer)


def _plain_layer(layer: nn.Layer) -> nn.Layer | None:
    """Return what replaces a layer in an export; None if nothing does."""
    if isinstance(layer, nn.LeakyReLU):
        return LoneLeakyReLU(layer._negative_slope)
    if type(layer) in (nn.Conv2D, Conv2D) and layer._in_channels == 1 and layer._padding_mode == "zeros":
        return WidenedConv2D(layer)
    return None


def interpolation_matrix(side: int, wanted: int, mode: str) -> np.ndarray:
    """Interpolation from `side` to `wanted` pixels as a matrix (wanted, side), as Paddle's with pixels as areas."""
    matrix = np.zeros((wanted, side), dtype=np.float32)
    row = np.arange(wanted)
    if mode == "nearest":
        matrix[row, np.minimum((row * (side / wanted)).astype(int), side - 1)] = 1.0
        return matrix
    at = np.clip((row + 0.5) * (side / wanted) - 0.5, 0.0, side - 1.0)
    lower = at.astype(int)
    share = (at - lower).astype(np.float32)
    np.add.at(matrix, (row, lower), 1.0 - share)
    np.add.at(matrix, (row, np.minimum(lower + 1, side - 1)), share)
    return matrix
