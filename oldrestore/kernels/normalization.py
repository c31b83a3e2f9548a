"""Batch norm, differentiable, with a ReLU behind it."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import paddle

from oldrestore.kernels import library as dnnl
from oldrestore.kernels.activations import RELU, Activation, activated, refuse_second_derivative
from oldrestore.kernels.library import Handle, library
from oldrestore.kernels.primitives import (
    KEPT,
    Primitive,
    attributes,
    description,
    memory_bytes,
    query,
    vector,
    workspace,
)
from oldrestore.kernels.tensors import channels_last, elements, empty, empty_channels_last, strides_channels_last
from oldrestore.runtime import paddle_threads

# oneDNN adds a channel's pixels one after the other in float32, which is right to five digits for 65,536 of them: of
# more pixels than FEW, as many sums as this are taken apart, and added in float64.
ROWS_TOGETHER, FEW = 32, 2048


class Norm(NamedTuple):
    """What a batch norm is, besides its numbers.

    Attributes
    ----------
    shape : tuple of int
        (B, C, H, W).
    given : bool
        Whether mean and variance go in, rather than come out.
    relu : bool
        Whether a ReLU follows.
    affine : bool
        Whether a scale and a shift follow the division.
    """

    shape: tuple[int, ...]
    epsilon: float
    given: bool
    relu: bool = False
    affine: bool = True


class NormPlan:
    """The primitives of a batch norm, each built when it is first needed."""

    def __init__(self, norm: Norm) -> None:
        self.norm = norm
        self._x = description(norm.shape, strides_channels_last(norm.shape)).value
        self._channel = vector(norm.shape[1]).value
        self._flags = dnnl.USE_SCALE | dnnl.USE_SHIFT if norm.affine else 0
        self._flags |= dnnl.USE_GLOBAL_STATS if norm.given else 0
        self._flags |= dnnl.FUSE_NORM_RELU if norm.relu else 0

    @cached_property
    def _forward_description(self) -> Handle:
        onednn = library()
        return onednn.create(
            *("primitive_desc", "batch_normalization_forward_primitive_desc_create", onednn.engine),
            *(dnnl.FORWARD_TRAINING, self._x, self._x, self.norm.epsilon, self._flags, attributes().value),
        )

    @cached_property
    def mask_bytes(self) -> int:
        """Bytes of what forward notes for the gradient of its ReLU."""
        return memory_bytes(query(self._forward_description, dnnl.QUERY_WORKSPACE_MD))

    def _mask(self) -> list:
        mask = query(self._forward_description, dnnl.QUERY_WORKSPACE_MD)
        return [(dnnl.ARG_WORKSPACE, mask)] if self.mask_bytes else []

    @cached_property
    def forward(self) -> Primitive:
        """Called with x, scale and shift, if they follow, mean, variance, y and the mask, if there is one."""
        affine = (dnnl.ARG_SCALE, dnnl.ARG_SHIFT) if self.norm.affine else ()
        vectors = (*affine, dnnl.ARG_MEAN, dnnl.ARG_VARIANCE)
        arguments = [(dnnl.ARG_SRC, self._x), *((number, self._channel) for number in vectors)]
        return Primitive(self._forward_description, [*arguments, (dnnl.ARG_DST, self._x), *self._mask()])

    @cached_property
    def backward(self) -> Primitive:
        """Called with x, dy, scale, mean, variance, dx, dscale, dshift and the mask, if there is one."""
        onednn = library()
        made = onednn.create(
            *("primitive_desc", "batch_normalization_backward_primitive_desc_create", onednn.engine),
            *(dnnl.BACKWARD, self._x, self._x, self._x, self.norm.epsilon, self._flags),
            *(self._forward_description.value, attributes().value),
        )
        before = (dnnl.ARG_SCALE, dnnl.ARG_MEAN, dnnl.ARG_VARIANCE)
        after = (dnnl.ARG_DIFF_SCALE, dnnl.ARG_DIFF_SHIFT)
        arguments = [(dnnl.ARG_SRC, self._x), (dnnl.ARG_DIFF_DST, self._x)]
        arguments += [(number, self._channel) for number in before] + [(dnnl.ARG_DIFF_SRC, self._x)]
        return Primitive(made, [*arguments, *((number, self._channel) for number in after), *self._mask()])


@lru_cache(maxsize=KEPT)
def plan(norm: Norm, threads: int) -> NormPlan:
    """Plan of a batch norm; the number of threads decides how oneDNN shares work out, and so belongs to it."""
    return NormPlan(norm)


class _BatchNorm(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, scale, shift, mean, variance, settings):
        epsilon, training, relu = settings
        source, y = channels_last(x), empty_channels_last(x.shape)
        few = x.shape[0] * x.shape[2] * x.shape[3] <= FEW
        if training and not few:
            _measure(source, mean, variance)
        chosen = plan(Norm(tuple(x.shape), epsilon, given=not (training and few), relu=relu), paddle_threads())
        mask = paddle.empty([chosen.mask_bytes], dtype="uint8") if chosen.mask_bytes else None
        vectors = [tensor.data_ptr() for tensor in (scale, shift, mean, variance)]
        chosen.forward(source.data_ptr(), *vectors, y.data_ptr(), *([] if mask is None else [mask.data_ptr()]))
        ctx.save_for_backward(source, scale, mean, variance, mask)
        ctx.settings = settings
        ctx.needs = not x.stop_gradient, not scale.stop_gradient, not shift.stop_gradient
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("batch norms")
        x, scale, mean, variance, mask = ctx.saved_tensor()
        epsilon, training, relu = ctx.settings
        chosen = plan(Norm(tuple(x.shape), epsilon, given=not training, relu=relu), paddle_threads())
        dy, dx = channels_last(dy), empty_channels_last(x.shape)
        dscale, dshift = empty(scale.shape), empty(scale.shape)
        inputs = [tensor.data_ptr() for tensor in (x, dy, scale, mean, variance)]
        outputs = [tensor.data_ptr() for tensor in (dx, dscale, dshift)]
        chosen.backward(*inputs, *outputs, *([] if mask is None else [mask.data_ptr()]))
        every = zip((dx, dscale, dshift), ctx.needs, strict=True)
        return *[gradient if needed else None for gradient, needed in every], None, None


def _measure(x: paddle.Tensor, mean: paddle.Tensor, variance: paddle.Tensor) -> None:
    """Write each channel's mean and biased variance over (B, C, H, W), which lies channels last."""
    channels = x.shape[1]
    pixels = x.size // channels
    together = math.gcd(pixels, ROWS_TOGETHER)
    wide = Norm((pixels // together, together * channels, 1, 1), 1.0, given=False, affine=False)
    # What it normalises is thrown away: it is one pass more over x, and of little weight beside the convolutions.
    parts = np.empty((2, together, channels), np.float32)
    addresses = (parts[0].ctypes.data, parts[1].ctypes.data, workspace("normalised", 4 * x.size))
    plan(wide, paddle_threads()).forward(x.data_ptr(), *addresses)
    means, variances = parts.astype(np.float64)
    whole = means.mean(axis=0)
    elements(mean)[:] = whole
    elements(variance)[:] = (variances + (means - whole) ** 2).mean(axis=0)


def batch_norm(
    x: paddle.Tensor,
    scale: paddle.Tensor | None,
    shift: paddle.Tensor | None,
    running_mean: paddle.Tensor,
    running_variance: paddle.Tensor,
    *,
    training: bool,
    momentum: float,
    epsilon: float,
    activation: Activation | None = None,
) -> paddle.Tensor:
    """Normalise (B, C, H, W) over all axes but C, scale, shift and apply an activation.

    Parameters
    ----------
    scale, shift : paddle.Tensor or None
        (C,); None for 1 and 0.
    training : bool
        Whether the batch's mean and variance are used, and the running ones moved towards them: new = momentum * old +
        (1 - momentum) * the batch's, of the biased variance.
    """
    scale = paddle.ones_like(running_mean) if scale is None else scale
    shift = paddle.zeros_like(running_mean) if shift is None else shift
    relu = activation == RELU
    mean, variance = running_mean, running_variance
    if training:
        mean, variance = empty(running_mean.shape), empty(running_variance.shape)
    y = _BatchNorm.apply(x, scale, shift, mean, variance, (epsilon, training, relu))
    if training:
        _move(running_mean, mean, momentum)
        _move(running_variance, variance, momentum)
    return y if activation is None or relu else activated(y, activation)


def _move(running: paddle.Tensor, batch: paddle.Tensor, momentum: float) -> None:
    with paddle.no_grad():
        running.set_value(running * momentum + batch * (1 - momentum))
