"""Plans of a convolution: oneDNN's primitives for one geometry, and the fastest way to its weight's gradient."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from oldrestore.kernels import library as dnnl
from oldrestore.kernels.activations import Activation, fused
from oldrestore.kernels.library import Handle, library
from oldrestore.kernels.primitives import (
    KEPT,
    Primitive,
    attributes,
    description,
    implementation,
    memory_bytes,
    query,
    reorder_between,
    same_layout,
    vector,
)
from oldrestore.kernels.tensors import strides_channels_last, strides_row_major
from oldrestore.kernels.weight_gradients import DepthwiseBlocks, WeightProducts

# From here on products are faster: operations of a weight gradient, and channels on either side.
PRODUCT_OPERATIONS, PRODUCT_CHANNELS = 8e8, 32
# From so many channels on, it does not pay to take a dilation apart.
UNDILATED_CHANNELS = 512


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


class WeightsPrimitive(NamedTuple):
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
    def forward(self) -> WeightsPrimitive:
        """Called with x, weight, bias (if there is one) and y."""
        made = self._forward_description
        weight = query(made, dnnl.QUERY_WEIGHTS_MD)
        arguments = [(dnnl.ARG_SRC, self._x), (dnnl.ARG_WEIGHTS, weight)]
        arguments += [(dnnl.ARG_BIAS, self._bias)] if self._bias else []
        return self._with_weights(made, [*arguments, (dnnl.ARG_DST, self._y)], weight)

    @cached_property
    def input_gradient(self) -> WeightsPrimitive:
        """Called with dy, weight and dx."""
        made = self._describe("backward_data", None, (self._x, self._chosen, self._y), attributes())
        weight = query(made, dnnl.QUERY_WEIGHTS_MD)
        arguments = [(dnnl.ARG_DIFF_DST, self._y), (dnnl.ARG_WEIGHTS, weight), (dnnl.ARG_DIFF_SRC, self._x)]
        return self._with_weights(made, arguments, weight)

    @cached_property
    def weight_gradient(self) -> WeightsPrimitive:
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
        # Of a kernel of one place nothing is copied. Of dilated ones oneDNN's own are products too, of unfolded rows.
        pointwise = kernel == (1, 1) and geometry.stride == (1, 1) and not any(geometry.padding)
        unfolded = geometry.dilation != (1, 1) and implementation(self._weight_description).endswith("gemm:jit")
        if geometry.groups > 1 or not (pointwise or (enough and not unfolded)) or library().wide:
            return None
        return WeightProducts(large, small, kernel, geometry.stride, geometry.dilation, geometry.padding[:2])

    @cached_property
    def undilated(self) -> Geometry | None:
        """The same convolution of every d-th pixel of every d-th row, d x d times; None where it does not pay."""
        one = self.geometry
        d = one.dilation[0]
        lengths = (*one.source[2:], *one.target[2:], *one.padding)
        plain = one.stride == (1, 1) and one.groups == 1 and not one.transposed
        wide = min(one.source[1], one.target[1]) >= UNDILATED_CHANNELS
        if library().wide or wide or not plain or one.dilation != (d, d) or d == 1:
            return None
        if any(length % d for length in lengths):
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

    def _with_weights(self, made: Handle, arguments: list, weight: Any, *, backwards: bool = False) -> WeightsPrimitive:
        primitive = Primitive(made, arguments)
        if same_layout(self._plain, weight):
            return WeightsPrimitive(primitive, None, 0)
        ends = (weight, self._plain) if backwards else (self._plain, weight)
        return WeightsPrimitive(primitive, reorder_between(*ends), memory_bytes(weight))


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
