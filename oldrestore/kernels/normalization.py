"""Batch norm, differentiable, with a ReLU behind it."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import paddle

from oldrestore.kernels import library as dnnl
from oldrestore.kernels.activations import RELU, Activation, activated, refuse_second_derivative
from oldrestore.kernels.library import Handle, library
from oldrestore.kernels.primitives import KEPT, Primitive, attributes, description, memory_bytes, query, vector
from oldrestore.kernels.tensors import channels_last, empty_channels_last, strides_channels_last
from oldrestore.runtime import paddle_threads


class Norm(NamedTuple):
    """What a batch norm is, besides its numbers.

    Attributes
    ----------
    shape : tuple of int
        (B, C, H, W).
    running : bool
        Whether the running mean and variance normalise, rather than the batch's.
    relu : bool
        Whether a ReLU follows.
    """

    shape: tuple[int, ...]
    epsilon: float
    running: bool
    relu: bool


class NormPlan:
    """The primitives of a batch norm, each built when it is first needed."""

    def __init__(self, norm: Norm) -> None:
        self.norm = norm
        self._x = description(norm.shape, strides_channels_last(norm.shape)).value
        self._channel = vector(norm.shape[1]).value
        self._flags = dnnl.USE_SCALE | dnnl.USE_SHIFT
        self._flags |= dnnl.USE_GLOBAL_STATS if norm.running else 0
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
        """Called with x, scale, shift, mean, variance, y and the mask, if there is one."""
        vectors = (dnnl.ARG_SCALE, dnnl.ARG_SHIFT, dnnl.ARG_MEAN, dnnl.ARG_VARIANCE)
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
    def forward(ctx, x, scale, shift, mean, variance, norm):
        chosen = plan(norm, paddle_threads())
        source, y = channels_last(x), empty_channels_last(norm.shape)
        mask = paddle.empty([chosen.mask_bytes], dtype="uint8") if chosen.mask_bytes else None
        vectors = [tensor.data_ptr() for tensor in (scale, shift, mean, variance)]
        ends = [y.data_ptr()] if mask is None else [y.data_ptr(), mask.data_ptr()]
        chosen.forward(source.data_ptr(), *vectors, *ends)
        ctx.save_for_backward(source, scale, mean, variance, mask)
        ctx.plan = chosen
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("batch norms")
        x, scale, mean, variance, mask = ctx.saved_tensor()
        dy, dx = channels_last(dy), empty_channels_last(x.shape)
        dscale, dshift = paddle.empty_like(scale), paddle.empty_like(scale)
        inputs = [tensor.data_ptr() for tensor in (x, dy, scale, mean, variance)]
        outputs = [tensor.data_ptr() for tensor in (dx, dscale, dshift)]
        ctx.plan.backward(*inputs, *outputs, *([] if mask is None else [mask.data_ptr()]))
        return dx, dscale, dshift, None, None


def batch_norm(
    x: paddle.Tensor,
    scale: paddle.Tensor,
    shift: paddle.Tensor,
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
    training : bool
        Whether the batch's mean and variance are used, and the running ones moved towards them: new = momentum * old +
        (1 - momentum) * the batch's, of the biased variance.
    """
    relu = activation == RELU
    norm = Norm(tuple(x.shape), epsilon, not training, relu)
    mean, variance = running_mean, running_variance
    if training:
        mean, variance = paddle.empty_like(running_mean), paddle.empty_like(running_variance)
        mean.stop_gradient = variance.stop_gradient = True
    y = _BatchNorm.apply(x, scale, shift, mean, variance, norm)
    if training:
        _move(running_mean, mean, momentum)
        _move(running_variance, variance, momentum)
    return y if activation is None or relu else activated(y, activation)


def _move(running: paddle.Tensor, batch: paddle.Tensor, momentum: float) -> None:
    with paddle.no_grad():
        running.set_value(running * momentum + batch * (1 - momentum))
