"""How Paddle tensors lie in memory, and tensors that lie channels last."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import _C_ops

from oldrestore.errors import UserError
from oldrestore.kernels.primitives import reorder

_CPU = paddle.CPUPlace()


def strides_channels_last(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a dense (B, C, H, W) tensor whose channels lie side by side."""
    _, channels, height, width = shape
    return height * width * channels, 1, width * channels, channels


def strides_row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a dense tensor whose last axis lies side by side."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))


def empty_channels_last(shape: Sequence[int]) -> paddle.Tensor:
    """Make a (B, C, H, W) tensor that lies channels last, of whatever is in its memory."""
    batch, channels, height, width = shape
    # The functions behind paddle.empty and transpose, which spend more than this on checks of their arguments.
    dense = _C_ops.empty([batch, height, width, channels], paddle.float32, _CPU)
    return _C_ops.transpose(dense, [0, 3, 1, 2])


def channels_last(x: paddle.Tensor) -> paddle.Tensor:
    """Return `x` (B, C, H, W) itself if it lies channels last, otherwise a copy that does; without a gradient."""
    shape, strides = tuple(x.shape), tuple(x.strides)
    wanted = strides_channels_last(shape)
    if 0 in shape:
        raise UserError(f"a tensor of shape {shape} has nothing to compute with: a batch holds at least one photograph")
    if same_place(shape, strides, wanted):
        return x
    copy = empty_channels_last(shape)
    if any(stride < 1 for stride in strides):  # expanded: elements that several places share
        x = x.contiguous()
        strides = tuple(x.strides)
    reorder(shape, strides, wanted)(x.data_ptr(), copy.data_ptr())
    return copy


def lies_channels_last(x: paddle.Tensor) -> bool:
    """Whether a tensor (B, C, H, W) is dense with its channels side by side, and not in another order as well."""
    shape, strides = tuple(x.shape), tuple(x.strides)
    if same_place(shape, strides, strides_row_major(shape)):
        return False
    return same_place(shape, strides, strides_channels_last(shape))


def same_place(shape: Sequence[int], strides: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two strides put each element in the same place: those of axes of one element do not count."""
    return all(one == other for size, one, other in zip(shape, strides, others, strict=True) if size > 1)
