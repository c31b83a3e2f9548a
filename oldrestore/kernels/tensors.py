"""How Paddle tensors lie in memory, and tensors that lie channels last."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import paddle
from paddle import _C_ops

from oldrestore.errors import UserError
from oldrestore.kernels.primitives import reorder

_CPU = paddle.CPUPlace()


def elements(tensor: paddle.Tensor) -> np.ndarray:
    """View the elements of a dense float32 tensor on a CPU, in the order of its memory, as a vector to write to.

    It does not keep the memory: hold the tensor as long.
    """
    return _memory(tensor.data_ptr(), math.prod(tensor.shape))


@lru_cache(maxsize=4096)
def _memory(address: int, count: int) -> np.ndarray:
    return np.frombuffer((ctypes.c_float * count).from_address(address), np.float32)


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


def empty(shape: Sequence[int]) -> paddle.Tensor:
    """Make a float32 tensor of whatever is in its memory, as `paddle.empty` does, which first checks its arguments."""
    return _C_ops.empty(list(shape), paddle.float32, _CPU)


def empty_channels_last(shape: Sequence[int]) -> paddle.Tensor:
    """Make a (B, C, H, W) tensor that lies channels last, of whatever is in its memory."""
    batch, channels, height, width = shape
    dense = empty((batch, height, width, channels))
    # The function behind paddle.transpose, which spends more than this on checks of its arguments.
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
