"""Layers that compute with oneDNN on a CPU: convolutions, batch norm and what follows them; otherwise Paddle's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.kernels import choice, resizing
from oldrestore.kernels.activations import RELU, RELU6, Activation, activated, leaky_relu
from oldrestore.kernels.convolution import convolve, convolve_transposed
from oldrestore.kernels.joining import add, concatenate
from oldrestore.kernels.normalization import batch_norm

# Paddle (3.3.1) adds a bias of shape (1, C, 1, 1). On a CPU that takes the path for broadcasts of any kind, which
# works out an index for each element, forward and backward: a quarter of eccv16's training step. Of shape (C, 1, 1)
# it is one pass over each channel. The numbers are the same, bit for bit: tests/models/test_convolution.py.

# Nothing here depends on values, so that Paddle need not rewrite it for a static program, which it cannot do.
as_it_is = paddle.jit.not_to_static


@as_it_is
def conv2d(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    bias: paddle.Tensor | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: Activation | None = None,
) -> paddle.Tensor:
    """Convolve (B, C, H, W), add a bias (outputs,) and apply an activation.

    Parameters
    ----------
    padding : int or sequence of int
        Of zeros: everywhere; at the top and bottom, left and right; or top, bottom, left, right.
    """
    if choice.usable(x):
        settings = {"stride": _two(stride), "padding": _four(padding), "dilation": _two(dilation)}
        return convolve(x, weight, bias, **settings, groups=groups, activation=activation)
    top, left, bottom, right = _four(padding)
    if (top, left) != (bottom, right):
        x, padding = functional.pad(x, [left, right, top, bottom]), 0
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if bias is None or not paddle.in_dynamic_mode():
        # An exported graph keeps Paddle's form, which its fusion passes know.
        y = functional.conv2d(x, weight, bias, **settings)
    else:
        y = _add_bias(functional.conv2d(x, weight, **settings), bias)
    return _through_paddle(y, activation)


@as_it_is
def normalized(norm: nn.Layer, x: paddle.Tensor, activation: Activation | None = None) -> paddle.Tensor:
    """Apply a batch norm to (B, C, H, W), then an activation."""
    if type(norm) is not nn.BatchNorm2D or not choice.usable(x):
        return _through_paddle(norm(x), activation)
    training = norm.training and not norm._use_global_stats
    settings = {"training": training, "momentum": norm._momentum, "epsilon": norm._epsilon}
    return batch_norm(x, norm.weight, norm.bias, norm._mean, norm._variance, **settings, activation=activation)


@as_it_is
def conv2d_normalized(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    norm: nn.Layer | None,
    activation: Activation | None = None,
    **settings: Any,
) -> paddle.Tensor:
    """Convolve (B, C, H, W) without a bias, apply a batch norm, if there is one, and an activation.

    In evaluation mode the norm is a scale and a shift of each channel, which the kernel and a bias take over.
    """
    if norm is None:
        return conv2d(x, weight, activation=activation, **settings)
    if norm.training or type(norm) is not nn.BatchNorm2D or not choice.usable(x):
        return normalized(norm, conv2d(x, weight, **settings), activation)
    scale = paddle.rsqrt(norm._variance + norm._epsilon)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm._mean * scale
    shift = shift if norm.bias is None else shift + norm.bias
    return conv2d(x, weight * scale.reshape([-1, 1, 1, 1]), shift, **settings, activation=activation)


@as_it_is
def summed(one: paddle.Tensor, other: paddle.Tensor, activation: Activation | None = None) -> paddle.Tensor:
    """Add two tensors (B, C, H, W), then apply an activation."""
    if choice.usable(one) and choice.usable(other) and one.shape == other.shape:
        return add(one, other, activation)
    return _through_paddle(one + other, activation)


@as_it_is
def joined(tensors: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """Join (B, C, H, W) along channels."""
    return concatenate(tensors) if all(map(choice.usable, tensors)) else paddle.concat(list(tensors), axis=1)


@as_it_is
def doubled(x: paddle.Tensor, method: Literal["nearest", "linear"]) -> paddle.Tensor:
    """Enlarge (B, C, H, W) to twice the size; ``linear`` is bilinear between the centres of pixels."""
    if choice.usable(x):
        return resizing.doubled(x, method)
    if method == "nearest":
        return functional.interpolate(x, scale_factor=2, mode="nearest")
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


@as_it_is
def every_second(x: paddle.Tensor) -> paddle.Tensor:
    """Keep every second row and column of (B, C, H, W)."""
    return resizing.every_second(x) if choice.usable(x) else x[:, :, ::2, ::2]


@as_it_is
def max_pool2d(x: paddle.Tensor, kernel: int, stride: int | None = None, padding: int = 0) -> paddle.Tensor:
    """Greatest value of each window of (B, C, H, W); by default, windows do not overlap."""
    stride = kernel if stride is None else stride
    if choice.usable(x):
        return resizing.max_pool(x, kernel, stride, padding)
    return functional.max_pool2d(x, kernel, stride, padding)


class Conv2D(nn.Conv2D):
    """`paddle.nn.Conv2D` of zero padding; the same arguments."""

    fuses_activation: ClassVar[bool] = True

    def forward(self, x: paddle.Tensor, activation: Activation | None = None) -> paddle.Tensor:
        """Convolve (B, inputs, H, W) to (B, outputs, H', W'), then apply an activation."""
        return conv2d(x, self.kernel(), self.bias, **_settings(self), activation=activation)

    def kernel(self) -> paddle.Tensor:
        """Return what is convolved with, (outputs, inputs / groups, K, K): the weight."""
        return self.weight


class Conv2DTranspose(nn.Conv2DTranspose):
    """`paddle.nn.Conv2DTranspose`; the same arguments."""

    fuses_activation: ClassVar[bool] = True

    @as_it_is
    def forward(self, x: paddle.Tensor, activation: Activation | None = None) -> paddle.Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W'), then apply an activation."""
        if choice.usable(x):
            settings = {"stride": _two(self._stride), "padding": _four(self._padding), "groups": self._groups}
            settings |= {"dilation": _two(self._dilation), "output_padding": _two(self.output_padding)}
            return convolve_transposed(x, self.weight, self.bias, **settings, activation=activation)
        if self.bias is None or not paddle.in_dynamic_mode():
            return _through_paddle(super().forward(x), activation)
        settings = {**_settings(self), "output_padding": self.output_padding}
        y = _add_bias(functional.conv2d_transpose(x, self.weight, **settings), self.bias)
        return _through_paddle(y, activation)


class Sequential(nn.Sequential):
    """`paddle.nn.Sequential` in which an activation is part of the convolution or batch norm before it."""

    @as_it_is
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Apply the layers in order."""
        if not choice.usable(x):
            return super().forward(x)
        layers = list(self._sub_layers.values())
        index = 0
        while index < len(layers):
            layer = layers[index]
            following = _activation(layers[index + 1]) if index + 1 < len(layers) else None
            own = _activation(layer)
            if own is not None:
                x, following = activated(x, own), None
            elif type(layer) is nn.BatchNorm2D:
                x = normalized(layer, x, following)
            elif getattr(layer, "fuses_activation", False):
                x = layer(x, following)
            else:
                x, following = layer(x), None
            index += 1 if following is None else 2
        return x


def _activation(layer: nn.Layer) -> Activation | None:
    if type(layer) is nn.ReLU:
        return RELU
    if type(layer) is nn.ReLU6:
        return RELU6
    if type(layer) is nn.LeakyReLU and layer._negative_slope > 0:
        return leaky_relu(layer._negative_slope)
    return None


def _through_paddle(x: paddle.Tensor, activation: Activation | None) -> paddle.Tensor:
    if activation is None:
        return x
    if activation == RELU6:
        return functional.relu6(x)
    return functional.leaky_relu(x, activation.alpha) if activation.alpha else functional.relu(x)


def _settings(layer: Any) -> dict[str, Any]:
    return {
        "stride": layer._stride,
        "padding": layer._padding,
        "dilation": layer._dilation,
        "groups": layer._groups,
    }


def _two(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _four(padding: Any) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    sides = [padding] if isinstance(padding, int) else list(padding)
    order = {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 4: (0, 2, 1, 3)}[len(sides)]
    return tuple(sides[side] for side in order)


def _add_bias(y_bchw: paddle.Tensor, bias_c: paddle.Tensor) -> paddle.Tensor:
    return paddle.add(y_bchw, bias_c.reshape([-1, 1, 1]))
