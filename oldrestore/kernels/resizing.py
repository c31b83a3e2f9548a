"""Max pooling, doubling of the size, and every second pixel, differentiable."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import paddle

from oldrestore.kernels import library as dnnl
from oldrestore.kernels.activations import refuse_second_derivative
from oldrestore.kernels.library import Handle, library
from oldrestore.kernels.primitives import KEPT, Primitive, attributes, description, memory_bytes, query, reorder
from oldrestore.kernels.tensors import channels_last, empty_channels_last, strides_channels_last
from oldrestore.runtime import paddle_threads

Method = Literal["max", "nearest", "linear"]


class Resizing(NamedTuple):
    """One way from a shape (B, C, H, W) to another; `kernel`, `stride` and `padding` are those of a pooling."""

    method: Method
    source: tuple[int, ...]
    target: tuple[int, ...]
    kernel: int = 0
    stride: int = 0
    padding: int = 0


class ResizingPlan:
    """The primitives of a resizing, each built when it is first needed."""

    def __init__(self, resizing: Resizing) -> None:
        self.resizing = resizing
        self._x = description(resizing.source, strides_channels_last(resizing.source)).value
        self._y = description(resizing.target, strides_channels_last(resizing.target)).value

    @cached_property
    def _forward_description(self) -> Handle:
        return self._describe("forward", (dnnl.FORWARD_TRAINING,), ())

    @cached_property
    def _noted(self) -> list:
        """What a pooling notes for its gradient: where the maxima were."""
        noted = query(self._forward_description, dnnl.QUERY_WORKSPACE_MD)
        return [(dnnl.ARG_WORKSPACE, noted)] if memory_bytes(noted) else []

    @cached_property
    def noted_bytes(self) -> int:
        """Bytes of what forward notes for backward."""
        return memory_bytes(self._noted[0][1]) if self._noted else 0

    @cached_property
    def forward(self) -> Primitive:
        """Called with x, y and the notes, if there are any."""
        return Primitive(self._forward_description, [(dnnl.ARG_SRC, self._x), (dnnl.ARG_DST, self._y), *self._noted])

    @cached_property
    def backward(self) -> Primitive:
        """Called with dy, dx and the notes, if there are any."""
        made = self._describe("backward", (), (self._forward_description.value,))
        return Primitive(made, [(dnnl.ARG_DIFF_DST, self._y), (dnnl.ARG_DIFF_SRC, self._x), *self._noted])

    def _describe(self, direction: str, use: tuple, hint: tuple) -> Handle:
        onednn = library()
        method, _, _, kernel, stride, padding = self.resizing
        memories = (self._x, self._y)
        if method == "max":
            window = [dnnl.dimensions((size, size)) for size in (stride, kernel, 0, padding, padding)]
            arguments = (dnnl.POOLING_MAX, *memories, *window)
        else:
            algorithm = dnnl.RESAMPLING_NEAREST if method == "nearest" else dnnl.RESAMPLING_LINEAR
            arguments = (algorithm, None, *memories)
        function = f"{'pooling' if method == 'max' else 'resampling'}_{direction}_primitive_desc_create"
        ends = (*hint, attributes().value)
        return onednn.create("primitive_desc", function, onednn.engine, *use, *arguments, *ends)


@lru_cache(maxsize=KEPT)
def plan(resizing: Resizing, threads: int) -> ResizingPlan:
    """Plan of a resizing; the number of threads decides how oneDNN shares work out, and so belongs to it."""
    return ResizingPlan(resizing)


class _Resized(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, resizing):
        chosen = plan(resizing, paddle_threads())
        source, y = channels_last(x), empty_channels_last(resizing.target)
        notes = paddle.empty([chosen.noted_bytes], dtype="uint8") if chosen.noted_bytes else None
        chosen.forward(source.data_ptr(), y.data_ptr(), *([] if notes is None else [notes.data_ptr()]))
        ctx.save_for_backward(notes)
        ctx.plan = chosen
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("poolings and enlargements")
        (notes,) = ctx.saved_tensor()
        dy, dx = channels_last(dy), empty_channels_last(ctx.plan.resizing.source)
        ctx.plan.backward(dy.data_ptr(), dx.data_ptr(), *([] if notes is None else [notes.data_ptr()]))
        return dx


def max_pool(x: paddle.Tensor, kernel: int, stride: int, padding: int = 0) -> paddle.Tensor:
    """Greatest value of each window of (B, C, H, W)."""
    batch, channels, *sizes = x.shape
    out = [(size + 2 * padding - kernel) // stride + 1 for size in sizes]
    return _Resized.apply(x, Resizing("max", tuple(x.shape), (batch, channels, *out), kernel, stride, padding))


def doubled(x: paddle.Tensor, method: Literal["nearest", "linear"]) -> paddle.Tensor:
    """Enlarge (B, C, H, W) to twice the size; ``linear`` is bilinear between the centres of pixels."""
    batch, channels, height, width = x.shape
    return _Resized.apply(x, Resizing(method, tuple(x.shape), (batch, channels, 2 * height, 2 * width)))


class _EverySecond(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x):
        source = channels_last(x)
        ctx.shape = tuple(x.shape)
        y = empty_channels_last(_halved(ctx.shape))
        reorder(tuple(y.shape), _every_second_strides(ctx.shape), tuple(y.strides))(source.data_ptr(), y.data_ptr())
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("subsampling")
        batch, channels, height, width = ctx.shape
        dy, dx = channels_last(dy), paddle.zeros([batch, height, width, channels]).transpose([0, 3, 1, 2])
        shape = tuple(dy.shape)
        reorder(shape, strides_channels_last(shape), _every_second_strides(ctx.shape))(dy.data_ptr(), dx.data_ptr())
        return dx


def _halved(shape: tuple[int, ...]) -> tuple[int, ...]:
    return *shape[:2], *[(size + 1) // 2 for size in shape[2:]]


def _every_second_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    batch, channel, row, column = strides_channels_last(shape)
    return batch, channel, 2 * row, 2 * column


def every_second(x: paddle.Tensor) -> paddle.Tensor:
    """Keep every second row and column of (B, C, H, W), from the first on; of an even size oneDNN does."""
    return x[:, :, ::2, ::2] if x.shape[2] % 2 or x.shape[3] % 2 else _EverySecond.apply(x)
