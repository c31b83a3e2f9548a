"""Convolution and transposed convolution, differentiable, with a bias and an activation behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import paddle

from oldrestore.kernels import library as dnnl
from oldrestore.kernels.activations import Activation, fused, gradient, refuse_second_derivative
from oldrestore.kernels.library import Handle, library
from oldrestore.kernels.primitives import (
    KEPT,
    Primitive,
    attributes,
    description,
    exclusive,
    implementation,
    memory_bytes,
    query,
    reorder,
    reorder_between,
    same_layout,
    vector,
    workspace,
)
from oldrestore.kernels.tensors import channels_last, empty_channels_last, strides_channels_last, strides_row_major
from oldrestore.kernels.weight_gradients import DepthwiseBlocks, WeightProducts
from oldrestore.runtime import paddle_threads

# From here on products are faster: operations of a weight gradient, and channels on either side.
PRODUCT_OPERATIONS, PRODUCT_CHANNELS = 8e8, 32


class Geometry(NamedTuple):
    """What a convolution is, besides its numbers.

    Attributes
    ----------
    source, target : tuple of int
        Shapes (B, C, H, W) of what goes in and comes out.
    kernel : tuple of int
        Shape of the weight as Paddle has it: (outputs, inputs / groups, K, K), transposed (inputs, outputs / groups,
        K, K).
    padding : tuple of int
        Top, left, bottom, right.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int
    transposed: bool
    bias: bool
    activation: Activation | None


class _Weights(NamedTuple):
    """A primitive with the reorder between the weight as Paddle has it and as oneDNN chose; None if they agree."""

    primitive: Primitive
    reorder: Primitive | None
    size: int


class ConvolutionPlan:
    """The primitives of one geometry, each built when it is first needed."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self._kind = "deconvolution" if geometry.transposed else "convolution"
        self._algorithm = dnnl.DECONVOLUTION_DIRECT if geometry.transposed else dnnl.CONVOLUTION_DIRECT
        self._x = description(geometry.source, strides_channels_last(geometry.source)).value
        self._y = description(geometry.target, strides_channels_last(geometry.target)).value
        self._bias = vector(geometry.target[1]).value if geometry.bias else None
        shape, strides = _weight_layout(geometry)
        self._plain, self._chosen = description(shape, strides).value, description(shape).value
        top, left, bottom, right = geometry.padding
        dilation = [size - 1 for size in geometry.dilation]
        self._window = [dnnl.dimensions(sizes) for sizes in (geometry.stride, dilation, (top, left), (bottom, right))]

    @cached_property
    def _forward_description(self) -> Handle:
        memories = (self._x, self._chosen, self._bias, self._y)
        return self._describe("forward", dnnl.FORWARD_TRAINING, memories, fused(self.geometry.activation))

    @cached_property
    def forward(self) -> _Weights:
        """Called with x, weight, bias (if there is one) and y."""
        made = self._forward_description
        weight = query(made, dnnl.QUERY_WEIGHTS_MD)
        arguments = [(dnnl.ARG_SRC, self._x), (dnnl.ARG_WEIGHTS, weight)]
        arguments += [(dnnl.ARG_BIAS, self._bias)] if self._bias else []
        return self._with_weights(made, [*arguments, (dnnl.ARG_DST, self._y)], weight)

    @cached_property
    def input_gradient(self) -> _Weights:
        """Called with dy, weight and dx."""
        made = self._describe("backward_data", None, (self._x, self._chosen, self._y), attributes())
        weight = query(made, dnnl.QUERY_WEIGHTS_MD)
        arguments = [(dnnl.ARG_DIFF_DST, self._y), (dnnl.ARG_WEIGHTS, weight), (dnnl.ARG_DIFF_SRC, self._x)]
        return self._with_weights(made, arguments, weight)

    @cached_property
    def weight_gradient(self) -> _Weights:
        """Called with x, dy, dweight and dbias (if there is a bias)."""
        made = self._weight_description
        weight = query(made, dnnl.QUERY_DIFF_WEIGHTS_MD)
        arguments = [(dnnl.ARG_SRC, self._x), (dnnl.ARG_DIFF_DST, self._y), (dnnl.ARG_DIFF_WEIGHTS, weight)]
        arguments += [(dnnl.ARG_DIFF_BIAS, self._bias)] if self._bias else []
        return self._with_weights(made, arguments, weight, backwards=True)

    @cached_property
    def _weight_description(self) -> Handle:
        memories = (self._x, self._chosen, self._bias, self._y)
        return self._describe("backward_weights", None, memories, attributes())

    @cached_property
    def depthwise(self) -> DepthwiseBlocks | None:
        """A depthwise kernel's gradient by blocks of 3 x 3, where oneDNN has no code for the whole of it."""
        one = self.geometry
        channels, places = one.source[1], one.kernel[2:]
        depthwise = one.groups == channels == one.target[1] > 1 and not one.transposed and one.dilation == (1, 1)
        if not depthwise or min(places) < 3 or implementation(self._weight_description).startswith("jit_dw"):
            return None
        return DepthwiseBlocks(one.source, one.target, places, one.stride, one.padding[:2])

    @cached_property
    def products(self) -> WeightProducts | None:
        """The weight's gradient by matrix products; None where oneDNN's own is faster."""
        geometry = self.geometry
        large, small = geometry.source, geometry.target
        if geometry.transposed:
            large, small = small, large
        kernel = geometry.kernel[2:]
        operations = 2 * math.prod(small) * large[1] * math.prod(kernel)
        enough = operations >= PRODUCT_OPERATIONS and min(large[1], small[1]) >= PRODUCT_CHANNELS
        # Of a kernel of one place nothing is copied.
        pointwise = kernel == (1, 1) and geometry.stride == (1, 1) and not any(geometry.padding)
        if geometry.groups > 1 or not (enough or pointwise) or library().wide:
            return None
        return WeightProducts(large, small, kernel, geometry.stride, geometry.dilation, geometry.padding[:2])

    @cached_property
    def undilated(self) -> Geometry | None:
        """The same convolution of every d-th pixel of every d-th row, d x d times; None where it does not pay."""
        one = self.geometry
        d = one.dilation[0]
        lengths = (*one.source[2:], *one.target[2:], *one.padding)
        plain = one.stride == (1, 1) and one.groups == 1 and not one.transposed
        if library().wide or not plain or one.dilation != (d, d) or d == 1 or any(length % d for length in lengths):
            return None
        shapes = [(d * d * batch, channels, rows // d, columns // d) for batch, channels, rows, columns in one[:2]]
        if min(shapes[1][2:]) < max(one.kernel[2:]):  # of so few columns oneDNN has no code for weight gradients either
            return None
        padding = tuple(zeros // d for zeros in one.padding)
        return one._replace(source=shapes[0], target=shapes[1], padding=padding, dilation=(1, 1), activation=None)

    def _describe(self, direction: str, use: int | None, memories: tuple, settings: Handle) -> Handle:
        onednn = library()
        hint = () if use else (self._plain_forward.value,)
        return onednn.create(
            *("primitive_desc", f"{self._kind}_{direction}_primitive_desc_create", onednn.engine),
            *((use, self._algorithm) if use else (self._algorithm,)),
            *(*memories, *self._window, *hint, settings.value),
        )

    @cached_property
    def _plain_forward(self) -> Handle:
        """Forward without an activation: what the gradients' descriptions refer to."""
        memories = (self._x, self._chosen, self._bias, self._y)
        return self._describe("forward", dnnl.FORWARD_TRAINING, memories, attributes())

    def _with_weights(self, made: Handle, arguments: list, weight: Any, *, backwards: bool = False) -> _Weights:
        primitive = Primitive(made, arguments)
        if same_layout(self._plain, weight):
            return _Weights(primitive, None, 0)
        ends = (weight, self._plain) if backwards else (self._plain, weight)
        return _Weights(primitive, reorder_between(*ends), memory_bytes(weight))


def _weight_layout(geometry: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of a weight in oneDNN's order, (groups,) outputs, inputs, K, K, and where its elements lie."""
    first, second, *kernel = geometry.kernel
    groups = geometry.groups
    area = kernel[0] * kernel[1]
    if geometry.transposed:
        inputs, outputs = first // groups, second
        shape, strides = (outputs, inputs, *kernel), (area, outputs * area, kernel[1], 1)
    else:
        outputs, inputs = first // groups, second
        shape = (outputs, inputs, *kernel)
        strides = strides_row_major(shape)
    return (shape, strides) if groups == 1 else ((groups, *shape), (inputs * outputs * area, *strides))


@lru_cache(maxsize=KEPT)
def plan(geometry: Geometry, threads: int) -> ConvolutionPlan:
    """Plan of a geometry; the number of threads decides how oneDNN shares work out, and so belongs to it."""
    return ConvolutionPlan(geometry)


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
    dweight = paddle.empty(geometry.kernel, dtype="float32")
    dbias = paddle.empty([geometry.target[1]], dtype="float32") if geometry.bias else None
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


def _laid_out(step: _Weights, weight: paddle.Tensor) -> int:
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
