"""Faster ways to the gradient of a convolution's weight, where oneDNN's own is slow.

`WeightProducts`: on processors without AVX-512, oneDNN's weight gradients reach 30 to 60% of a matrix product. At one
place of the kernel the gradient is a product over all pixels, of what goes in, moved by that place, and the gradient of
what comes out. Both are copied once with rows and columns of zeros between them, so that moving is starting at another
row.

`DepthwiseBlocks`: oneDNN's fast code for depthwise kernels takes 3 x 3 and outputs of three columns and more. Larger
kernels are blocks of 3 x 3, of which each reads the same copy of the input from another pixel on.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import paddle

from oldrestore.kernels.primitives import reorder, workspace_rows
from oldrestore.kernels.tensors import empty, strides_channels_last

BLOCK = 3


class _Axis(NamedTuple):
    """Rows or columns of a convolution.

    Attributes
    ----------
    taps : tuple of (int, int)
        Of each place of the kernel: where it begins, in steps of the stride, and which of the stride's phases it reads.
    before, after : int
        Steps that taps reach beyond the first and the last output.
    out : int
        Rows or columns that come out.
    pitch : int
        Steps from one photograph, or row, to the next.
    """

    taps: tuple[tuple[int, int], ...]
    before: int
    after: int
    out: int
    pitch: int


def _axis(size: int, out: int, kernel: int, stride: int, dilation: int, padding: int) -> _Axis:
    taps = tuple(divmod(place * dilation - padding, stride) for place in range(kernel))
    before = max(0, *[-start for start, _ in taps])
    after = max(0, *[start for start, _ in taps])
    # What is zero behind one row is zero before the next one, unless the input goes on there.
    shared = -(-size // stride) <= out
    return _Axis(taps, before, after, out, out + (max(before, after) if shared else before + after))


class WeightProducts:
    """Weight gradient of a convolution without groups, whose tensors lie channels last.

    Parameters
    ----------
    source, target : tuple of int
        Shapes (B, C, H, W) of what goes in and comes out.
    kernel, stride, dilation, padding : tuple of int
        Of rows and columns; padding at the top and at the left.
    """

    def __init__(
        self,
        source: tuple[int, ...],
        target: tuple[int, ...],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        padding: tuple[int, int],
    ) -> None:
        self.source, self.target, self.stride = source, target, stride
        axes = zip(source[2:], target[2:], kernel, stride, dilation, padding, strict=True)
        self.rows, self.columns = (_axis(*axis) for axis in axes)
        self.pixels = target[0] * self.rows.pitch * self.columns.pitch
        self.before = self.rows.before * self.columns.pitch + self.columns.before
        self.behind = self.rows.after * self.columns.pitch + self.columns.after
        self.phases = sorted({(down[1], right[1]) for down, right in product(self.rows.taps, self.columns.taps)})

    def __call__(self, x: paddle.Tensor, dy: paddle.Tensor) -> paddle.Tensor:
        """Gradient (outputs, inputs, K, K) from what went in and the gradient of what came out."""
        outputs, inputs = self.target[1], self.source[1]
        slopes = self._rows("slopes", dy, self.target, (1, 1), (0, 0), (0, 0))
        reach = self.before, self.behind
        moved = {
            phase: self._rows(f"phase {phase}", x, self.source, self.stride, phase, reach) for phase in self.phases
        }
        taps = []
        for (down, row_phase), (right, column_phase) in product(self.rows.taps, self.columns.taps):
            start = self.before + down * self.columns.pitch + right
            read = moved[row_phase, column_phase][start : start + self.pixels]
            taps.append(paddle.matmul(slopes, read, transpose_x=True))
        if len(taps) == 1:
            return taps[0].reshape([outputs, inputs, 1, 1])
        # Paddle stacks along the first axis alone as fast as memory is copied.
        stacked = paddle.stack(taps)
        gradient = empty([outputs, inputs, len(self.rows.taps), len(self.columns.taps)])
        places = outputs * inputs, inputs, 1
        reorder(tuple(stacked.shape), places, (1, inputs * len(taps), len(taps)))(
            stacked.data_ptr(), gradient.data_ptr()
        )
        return gradient

    def _rows(
        self,
        name: str,
        x: paddle.Tensor,
        shape: tuple[int, ...],
        stride: tuple[int, int],
        phase: tuple[int, int],
        around: tuple[int, int],
    ) -> paddle.Tensor:
        """Lay the pixels of one phase of `x` out as rows (pixels, C), with rows of zeros between and around them."""
        batch, channels, *sizes = shape
        axes = self.rows, self.columns
        used = [axis.out + axis.after for axis in axes]
        kept = [
            min(-(-(size - offset) // step), most)
            for size, offset, step, most in zip(sizes, phase, stride, used, strict=True)
        ]
        if not sum(around) and kept == sizes == [axis.pitch for axis in axes]:
            return x.transpose([0, 2, 3, 1]).reshape([self.pixels, channels])
        before, behind = around
        # Zeros everywhere: Paddle fills a part that is not dense ten times as slowly.
        whole = workspace_rows(name, before + self.pixels + behind, channels).zero_()
        inner = whole[before : before + self.pixels].reshape([batch, *[axis.pitch for axis in axes], channels])
        if any(count * step > size for count, step, size in zip(kept, stride, sizes, strict=True)):
            # oneDNN takes a last row that is not followed by a whole step for one that overlaps the next photograph.
            read = [slice(offset, None, step) for offset, step in zip(phase, stride, strict=True)]
            inner[:, : kept[0], : kept[1]] = x.transpose([0, 2, 3, 1])[:, *read][:, : kept[0], : kept[1]]
            return whole
        there = strides_channels_last(shape)
        apart = there[0], 1, there[2] * stride[0], there[3] * stride[1]
        here = inner.strides[0], 1, *inner.strides[1:3]
        begin = x.data_ptr() + 4 * (phase[0] * there[2] + phase[1] * there[3])
        reorder((batch, channels, *kept), apart, here)(begin, inner.data_ptr())
        return whole


class DepthwiseBlocks:
    """Weight gradient of a depthwise convolution, kernel 3 x 3 or larger, whose tensors lie channels last.

    Attributes
    ----------
    geometry : dict
        The depthwise convolution that each block is: `source`, `target`, `kernel` and `padding`.
    """

    def __init__(
        self,
        source: tuple[int, ...],
        target: tuple[int, ...],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> None:
        self.kernel, self.padding = kernel, padding
        batch, channels = source[:2]
        axes = list(zip(target[2:], kernel, stride, strict=True))
        self.sizes = [(max(out, BLOCK) - 1) * hop + reach for out, reach, hop in axes]
        outs = [(size - BLOCK) // hop + 1 for size, (_, _, hop) in zip(self.sizes, axes, strict=True)]
        self.geometry: dict[str, Any] = {
            "source": (batch, channels, *self.sizes),
            "target": (batch, channels, *outs),
            "kernel": (channels, 1, BLOCK, BLOCK),
            "padding": (0, 0, 0, 0),
        }

    def __call__(
        self, x: paddle.Tensor, dy: paddle.Tensor, gradient: Callable[[int, int], paddle.Tensor]
    ) -> paddle.Tensor:
        """Gradient (C, 1, K, K); `gradient` maps addresses of input and slopes to that of a block."""
        channels = x.shape[1]
        starts = [sorted({*range(0, reach - BLOCK, BLOCK), reach - BLOCK}) for reach in self.kernel]
        behind = starts[0][-1] * self.sizes[1] + starts[1][-1]
        wide = _placed("padded", x, self.geometry["source"], self.padding, behind)
        slopes = _placed("slopes", dy, self.geometry["target"], (0, 0), 0)
        whole = empty([channels, 1, *self.kernel])
        for down, right in product(*starts):
            block = gradient(wide + 4 * channels * (down * self.sizes[1] + right), slopes)
            whole[:, :, down : down + BLOCK, right : right + BLOCK] = block
        return whole


def _placed(name: str, x: paddle.Tensor, shape: tuple[int, ...], padding: tuple[int, int], behind: int) -> int:
    """Address of a copy of `x` within zeros, (B, H, W, C) of a shape (B, C, H, W), some pixels of zeros behind it."""
    batch, channels, *sizes = shape
    rows = workspace_rows(name, batch * sizes[0] * sizes[1] + behind, channels).zero_()
    kept = [min(size, most - zeros) for size, most, zeros in zip(x.shape[2:], sizes, padding, strict=True)]
    pixel = padding[0] * sizes[1] + padding[1]
    copy = reorder((batch, channels, *kept), strides_channels_last(x.shape), strides_channels_last(shape))
    copy(x.data_ptr(), rows.data_ptr() + 4 * channels * pixel)
    return rows.data_ptr()
