"""Activations that follow a computation: forward fused into it, backward from its result alone."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import paddle

from oldrestore.errors import UserError
from oldrestore.kernels import library as dnnl
from oldrestore.kernels.library import library
from oldrestore.kernels.primitives import KEPT, Primitive, attributes, description
from oldrestore.kernels.tensors import channels_last, empty_channels_last, strides_channels_last


class Activation(NamedTuple):
    """An elementwise function whose slope follows from its value.

    Attributes
    ----------
    forward, backward : int
        oneDNN's algorithms; backward takes the function's value.
    alpha, beta : float
        Their parameters.
    """

    forward: int
    backward: int
    alpha: float = 0.0
    beta: float = 0.0


RELU = Activation(dnnl.ELTWISE_RELU, dnnl.ELTWISE_RELU_USE_DST_FOR_BWD)
RELU6 = Activation(dnnl.ELTWISE_CLIP_V2, dnnl.ELTWISE_CLIP_V2_USE_DST_FOR_BWD, 0.0, 6.0)

_EXPONENTIAL = Activation(dnnl.ELTWISE_EXP, 0)


def leaky_relu(slope: float) -> Activation:
    """Make x where x > 0, `slope` times x elsewhere; `slope` is above 0."""
    return RELU._replace(alpha=slope)


def refuse_second_derivative(what: str) -> None:
    """Raise in a backward pass whose gradient is to be differentiated once more.

    Raises
    ------
    UserError
        Naming the setting with which it can be.
    """
    if paddle.is_grad_enabled():
        raise UserError(f"oneDNN's {what} have no second derivative: take trainer.kernels=paddle")


def fused(activation: Activation | None):
    """Attributes of a primitive that `activation` follows."""
    return attributes(activation.forward, activation.alpha, activation.beta) if activation else attributes()


def gradient(activation: Activation | None, y: paddle.Tensor, dy: paddle.Tensor) -> paddle.Tensor:
    """Gradient in front of an activation from its value `y` and the gradient `dy` behind it; lies channels last."""
    dy = channels_last(dy)
    if activation is None:
        return dy
    masked = empty_channels_last(y.shape)
    _backward(tuple(y.shape), activation)(y.data_ptr(), dy.data_ptr(), masked.data_ptr())
    return masked


@lru_cache(maxsize=KEPT)
def _forward_description(shape: tuple[int, ...], activation: Activation):
    memory = description(shape, strides_channels_last(shape)).value
    arguments = (dnnl.FORWARD_TRAINING, activation.forward, memory, memory, activation.alpha, activation.beta)
    onednn = library()
    function = "eltwise_forward_primitive_desc_create"
    return onednn.create("primitive_desc", function, onednn.engine, *arguments, attributes().value)


@lru_cache(maxsize=KEPT)
def _forward(shape: tuple[int, ...], activation: Activation) -> Primitive:
    memory = description(shape, strides_channels_last(shape)).value
    return Primitive(_forward_description(shape, activation), [(dnnl.ARG_SRC, memory), (dnnl.ARG_DST, memory)])


@lru_cache(maxsize=KEPT)
def _backward(shape: tuple[int, ...], activation: Activation) -> Primitive:
    memory = description(shape, strides_channels_last(shape)).value
    onednn = library()
    made = onednn.create(
        *("primitive_desc", "eltwise_backward_primitive_desc_create", onednn.engine, activation.backward),
        *(memory, memory, memory, activation.alpha, activation.beta),
        *(_forward_description(shape, activation).value, attributes().value),
    )
    return Primitive(made, [(number, memory) for number in (dnnl.ARG_DST, dnnl.ARG_DIFF_DST, dnnl.ARG_DIFF_SRC)])


class _Activated(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, activation):
        source, y = channels_last(x), empty_channels_last(x.shape)
        _forward(tuple(x.shape), activation)(source.data_ptr(), y.data_ptr())
        ctx.save_for_backward(y.detach())
        ctx.activation = activation
        return y

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("activations")
        (y,) = ctx.saved_tensor()
        return gradient(ctx.activation, y, dy)


def activated(x: paddle.Tensor, activation: Activation) -> paddle.Tensor:
    """Apply an activation to (B, C, H, W)."""
    return _Activated.apply(x, activation)


def exponentiate(x: paddle.Tensor) -> None:
    """Replace each element of a dense tensor with its exponential; on all threads, a fifth of Paddle's time on one."""
    _forward((1, x.size, 1, 1), _EXPONENTIAL)(x.data_ptr(), x.data_ptr())
