"""Convolution and transposed convolution, differentiable, with a bias and an activation behind them."""

from __future__ import annotations

from collections.abc import Sequence

import paddle

from oldrestore.kernels.activations import Activation, gradient, refuse_second_derivative
from oldrestore.kernels.convolution_plan import ConvolutionPlan, Geometry, WeightsPrimitive, plan
from oldrestore.kernels.primitives import exclusive, reorder, workspace
from oldrestore.kernels.tensors import channels_last, empty, empty_channels_last, strides_row_major
from oldrestore.runtime import paddle_threads


class _Convolution(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias, geometry):
        source = channels_last(x)
        chosen = plan(geometry, paddle_threads())
        y = empty_channels_last(geometry.target)
        step = chosen.forward
        addresses = [bias.data_ptr()] if bias is not None else []
        with exclusive:
            step.primitive(source.data_ptr(), _laid_out(step, weight), *addresses, y.data_ptr())
        # Detached: the output itself would hold its own node alive, and so all that is saved here.
        ctx.save_for_backward(source, weight, y.detach() if geometry.activation else None)
        ctx.plan = chosen
        ctx.needs = [tensor is not None and not tensor.stop_gradient for tensor in (x, weight, bias)]
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("convolutions")
        x, weight, y = ctx.saved_tensor()
        chosen: ConvolutionPlan = ctx.plan
        geometry = chosen.geometry
        dy = gradient(geometry.activation, y, dy)
        dx = dweight = dbias = None
        if ctx.needs[0]:
            dx = empty_channels_last(geometry.source)
            step = chosen.input_gradient
            with exclusive:
                step.primitive(dy.data_ptr(), _laid_out(step, weight), dx.data_ptr())
        if ctx.needs[1] or ctx.needs[2]:
            dweight, dbias = _weight_gradient(chosen, x, dy)
        gradients = [dx, dweight, dbias] if geometry.bias else [dx, dweight]
        return tuple(gradient if needed else None for gradient, needed in zip(gradients, ctx.needs, strict=False))


def _weight_gradient(chosen: ConvolutionPlan, x: paddle.Tensor, dy: paddle.Tensor) -> tuple:
    """Gradients of weight and bias, None without one."""
    geometry = chosen.geometry
    with exclusive:
        if chosen.products:
            dweight = chosen.products(*((dy, x) if geometry.transposed else (x, dy)))
            return dweight, _sum_of_pixels(dy) if geometry.bias else None
        if chosen.depthwise:
            blocks = chosen.depthwise
            block = geometry._replace(**blocks.geometry, bias=False, activation=None)
            step = plan(block, paddle_threads())
            dweight = blocks(x, dy, lambda source, slopes: _by_onednn(step, source, slopes)[0])
            return dweight, _sum_of_pixels(dy) if geometry.bias else None
        if chosen.undilated:
            d = geometry.dilation[0]
            undilated = plan(chosen.undilated, paddle_threads())
            return _by_onednn(undilated, _in_phases("x", x, d), _in_phases("dy", dy, d))
        return _by_onednn(chosen, x.data_ptr(), dy.data_ptr())


def _by_onednn(chosen: ConvolutionPlan, x: int, dy: int) -> tuple:
    geometry, step = chosen.geometry, chosen.weight_gradient
    dweight = empty(geometry.kernel)
    dbias = empty([geometry.target[1]]) if geometry.bias else None
    address = workspace("weight", step.size) if step.reorder else dweight.data_ptr()
    step.primitive(x, dy, address, *([dbias.data_ptr()] if geometry.bias else []))
    if step.reorder:
        step.reorder(address, dweight.data_ptr())
    return dweight, dbias


def _in_phases(name: str, x: paddle.Tensor, d: int) -> int:
    """Address of a copy (d, d, B, H / d, W / d, C): every d-th pixel of every d-th row, from each of the first."""
    batch, channels, height, width = x.shape
    shape = (d, d, batch, channels, height // d, width // d)
    pixel, row = channels, width * channels
    strides = (row, pixel, height * row, 1, d * row, d * pixel)
    target = strides_row_major((d, d, batch, height // d, width // d, channels))
    address = workspace(name, 4 * batch * channels * height * width)
    reorder(shape, strides, (*target[:3], 1, *target[3:5]))(x.data_ptr(), address)
    return address


def _sum_of_pixels(dy: paddle.Tensor) -> paddle.Tensor:
    rows = dy.transpose([0, 2, 3, 1]).reshape([-1, dy.shape[1]])
    return paddle.matmul(paddle.ones([1, rows.shape[0]]), rows).reshape([-1])


def _laid_out(step: WeightsPrimitive, weight: paddle.Tensor) -> int:
    """Address of a weight as a primitive reads it."""
    if not weight.is_contiguous():
        weight = weight.contiguous()
    if step.reorder is None:
        return weight.data_ptr()
    address = workspace("weight", step.size)
    step.reorder(weight.data_ptr(), address)
    return address


def convolve(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    bias: paddle.Tensor | None = None,
    *,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0, 0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    activation: Activation | None = None,
) -> paddle.Tensor:
    """Convolve (B, C, H, W), add a bias and apply an activation.

    Parameters
    ----------
    weight : paddle.Tensor
        (outputs, C / groups, K, K).
    padding : sequence of int
        Zeros at the top, left, bottom and right.
    """
    batch, _, height, width = x.shape
    outputs, _, *kernel = weight.shape
    around = padding[0] + padding[2], padding[1] + padding[3]
    sizes = [
        (size + zeros - step * (reach - 1) - 1) // hop + 1
        for size, zeros, step, reach, hop in zip((height, width), around, dilation, kernel, stride, strict=True)
    ]
    geometry = Geometry(
        *(tuple(x.shape), (batch, outputs, *sizes), tuple(weight.shape), tuple(stride), tuple(padding)),
        *(tuple(dilation), groups, False, bias is not None, activation),
    )
    return _Convolution.apply(x, weight, bias, geometry)


def convolve_transposed(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    bias: paddle.Tensor | None = None,
    *,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0, 0, 0),
    output_padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    activation: Activation | None = None,
) -> paddle.Tensor:
    """Apply the transpose of a convolution to (B, C, H, W), add a bias and apply an activation.

    Parameters
    ----------
    weight : paddle.Tensor
        (C, outputs / groups, K, K).
    padding : sequence of int
        Of the convolution, at the top, left, bottom and right.
    output_padding : sequence of int
        Rows and columns added at the bottom and right.
    """
    batch, _, height, width = x.shape
    _, outputs, *kernel = weight.shape
    top, left, bottom, right = padding
    bottom, right = bottom - output_padding[0], right - output_padding[1]
    sizes = [
        (size - 1) * hop - zeros + step * (reach - 1) + 1
        for size, zeros, step, reach, hop in zip(
            (height, width), (top + bottom, left + right), dilation, kernel, stride, strict=True
        )
    ]
    geometry = Geometry(
        *(tuple(x.shape), (batch, outputs * groups, *sizes), tuple(weight.shape), tuple(stride)),
        *((top, left, bottom, right), tuple(dilation), groups, True, bias is not None, activation),
    )
    return _Convolution.apply(x, weight, bias, geometry)
