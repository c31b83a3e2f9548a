"""Sum and concatenation of tensors that lie channels last, differentiable."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache

import paddle

from oldrestore.kernels import library as dnnl
from oldrestore.kernels.activations import Activation, fused, gradient, refuse_second_derivative
from oldrestore.kernels.library import library
from oldrestore.kernels.primitives import KEPT, Primitive, attributes, description, reorder
from oldrestore.kernels.tensors import channels_last, empty_channels_last, strides_channels_last


@lru_cache(maxsize=KEPT)
def _sum(shape: tuple[int, ...], activation: Activation | None) -> Primitive:
    memory = description(shape, strides_channels_last(shape)).value
    onednn = library()
    made = onednn.create(
        *("primitive_desc", "binary_primitive_desc_create", onednn.engine, dnnl.BINARY_ADD),
        *(memory, memory, memory, fused(activation).value),
    )
    return Primitive(made, [(number, memory) for number in (dnnl.ARG_SRC, dnnl.ARG_SRC_1, dnnl.ARG_DST)])


class _Added(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, one, other, activation):
        sources, y = (channels_last(one), channels_last(other)), empty_channels_last(one.shape)
        _sum(tuple(one.shape), activation)(sources[0].data_ptr(), sources[1].data_ptr(), y.data_ptr())
        ctx.save_for_backward(y.detach() if activation else None)
        ctx.activation, ctx.needs = activation, [not tensor.stop_gradient for tensor in (one, other)]
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("sums")
        (y,) = ctx.saved_tensor()
        shared = gradient(ctx.activation, y, dy)
        return tuple(shared if needed else None for needed in ctx.needs)


def add(one: paddle.Tensor, other: paddle.Tensor, activation: Activation | None = None) -> paddle.Tensor:
    """Add two tensors (B, C, H, W) of one shape and apply an activation."""
    return _Added.apply(one, other, activation)


@lru_cache(maxsize=KEPT)
def _concatenation(shapes: tuple[tuple[int, ...], ...]) -> Primitive:
    target = (shapes[0][0], sum(shape[1] for shape in shapes), *shapes[0][2:])
    memories = [description(shape, strides_channels_last(shape)).value for shape in shapes]
    whole = description(target, strides_channels_last(target)).value
    onednn = library()
    made = onednn.create(
        *("primitive_desc", "concat_primitive_desc_create", onednn.engine, whole, len(shapes), 1),
        *((ctypes.c_void_p * len(shapes))(*[memory.value for memory in memories]), attributes().value),
    )
    arguments = [(dnnl.ARG_MULTIPLE_SRC + index, memory) for index, memory in enumerate(memories)]
    return Primitive(made, [*arguments, (dnnl.ARG_DST, whole)])


class _Concatenated(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, *tensors):
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        sources = [channels_last(tensor) for tensor in tensors]
        y = empty_channels_last((shapes[0][0], sum(shape[1] for shape in shapes), *shapes[0][2:]))
        _concatenation(shapes)(*[source.data_ptr() for source in sources], y.data_ptr())
        ctx.shapes, ctx.needed = shapes, [not tensor.stop_gradient for tensor in tensors]
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("concatenations")
        dy = channels_last(dy)
        strides = strides_channels_last(dy.shape)
        parts, address = [], dy.data_ptr()
        for shape, needed in zip(ctx.shapes, ctx.needed, strict=True):
            part = empty_channels_last(shape) if needed else None
            if part is not None:
                reorder(shape, strides, strides_channels_last(shape))(address, part.data_ptr())
            parts.append(part)
            address += 4 * shape[1]
        return tuple(parts)


def concatenate(tensors: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """Join (B, C, H, W) along channels."""
    return _Concatenated.apply(*tensors)
