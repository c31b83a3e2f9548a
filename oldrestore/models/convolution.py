"""Convolutions whose bias costs next to nothing on a CPU; otherwise Paddle's own."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional

# Paddle (3.3.1) adds a bias of shape (1, C, 1, 1). On a CPU that takes the path for broadcasts of any kind, which
# works out an index for each element, forward and backward: a quarter of eccv16's training step. Of shape (C, 1, 1)
# it is one pass over each channel. The numbers are the same, bit for bit: tests/models/test_convolution.py.


def conv2d(x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor | None, **settings: Any) -> paddle.Tensor:
    """Convolve (B, C, H, W) and add a bias (outputs,); the settings of `paddle.nn.functional.conv2d`."""
    if bias is None or not paddle.in_dynamic_mode():
        # An exported graph keeps Paddle's form, which its fusion passes know.
        return functional.conv2d(x, weight, bias, **settings)
    return _add_bias(functional.conv2d(x, weight, **settings), bias)


class Conv2D(nn.Conv2D):
    """`paddle.nn.Conv2D` of zero padding, with the bias added along channels; the same arguments."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve (B, inputs, H, W) to (B, outputs, H', W')."""
        return conv2d(
            x,
            self.weight,
            self.bias,
            stride=self._stride,
            padding=self._padding,
            dilation=self._dilation,
            groups=self._groups,
        )


class Conv2DTranspose(nn.Conv2DTranspose):
    """`paddle.nn.Conv2DTranspose` with the bias added along channels; the same arguments."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        if self.bias is None or not paddle.in_dynamic_mode():
            return super().forward(x)
        settings = {
            "stride": self._stride,
            "padding": self._padding,
            "output_padding": self.output_padding,
            "dilation": self._dilation,
            "groups": self._groups,
        }
        return _add_bias(functional.conv2d_transpose(x, self.weight, **settings), self.bias)


def _add_bias(y_bchw: paddle.Tensor, bias_c: paddle.Tensor) -> paddle.Tensor:
    return paddle.add(y_bchw, bias_c.reshape([-1, 1, 1]))
