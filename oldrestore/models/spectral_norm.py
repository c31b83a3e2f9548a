"""Spectral normalisation: a convolution whose kernel, as a matrix, has largest singular value 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import nn

from oldrestore.kernels import choice
from oldrestore.kernels.activations import refuse_second_derivative
from oldrestore.kernels.tensors import elements, empty
from oldrestore.models.convolution import Conv2D

# Why not Paddle's own (3.3.1): `nn.SpectralNorm` never writes its vectors back in dynamic mode, so one power
# iteration starts anew at each call and the largest singular value stays far from 1. The hook
# `nn.utils.spectral_norm` is right after some training steps, but its vectors start at random, so that an untrained
# network in evaluation mode is divided by any number, also one near 0; it iterates in half precision under mixed
# precision; and a weight of zeros gives NaN.
WARM_UP_ITERATIONS = 15  # so that an untrained network is normalised too
EPSILON = 1e-12


class SpectralConv2D(Conv2D):
    """A convolution whose kernel, as a matrix (outputs, inputs x kernel), has largest singular value 1.

    Takes the arguments of `paddle.nn.Conv2D`. Buffer ``u`` (outputs,) belongs to the state dict.

    Parameters
    ----------
    stores_v : bool
        Keep the other vector of the last training step as well, as buffer ``v`` (inputs x kernel,), and divide by u W v
        in evaluation, as PyTorch's ``spectral_norm`` does: published weights need it. By default, v follows from u.

    References
    ----------
    Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018.
    """

    def __init__(self, *arguments: Any, stores_v: bool = False, **settings: Any) -> None:
        super().__init__(*arguments, weight_attr=nn.initializer.XavierUniform(), **settings)
        rows, columns = self._matrix().shape
        self.register_buffer("u", nn.functional.normalize(paddle.randn([rows]), axis=0, epsilon=EPSILON))
        self.register_buffer("v", paddle.zeros([columns]) if stores_v else None)
        self._warm_up()

    def start_from(self, weight: paddle.Tensor) -> None:
        """Set the weight of an untrained layer."""
        self.weight.set_value(weight.detach())
        self._warm_up()

    def _warm_up(self) -> None:
        for _ in range(WARM_UP_ITERATIONS):
            u, v = _iterate(self._matrix().detach(), self.u)
            self.u.set_value(u)
        if self.v is not None:
            self.v.set_value(v)

    def _matrix(self) -> paddle.Tensor:
        return self.weight.reshape([self.weight.shape[0], -1])

    def kernel(self) -> paddle.Tensor:
        """Return the weight over its largest singular value; in training, u takes one power iteration first.

        u and v count as constants in the gradient (Miyato et al. 2018, equation 12).
        """
        if choice.usable(self.weight):
            return _Normalized.apply(self.weight, self.u, self.v, self.training)
        with paddle.amp.auto_cast(enable=False):
            matrix = self._matrix()
            with paddle.no_grad():
                u, v = _iterate(matrix.detach(), self.u)
                if self.training:
                    self.u.set_value(u)
                else:
                    u = self.u.clone()
                if self.v is not None:
                    if self.training:
                        self.v.set_value(v)
                    else:
                        v = self.v.clone()
            sigma = (u * paddle.mv(matrix, v)).sum()
            # A weight of zeros has nothing to be divided by and stays what it is.
            return self.weight / paddle.where(sigma > EPSILON, sigma, paddle.ones_like(sigma))


def _iterate(matrix: paddle.Tensor, u: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Do one step of the power iteration; returns the new u (rows,) and v (columns,)."""
    v = nn.functional.normalize(paddle.mv(matrix.t(), u), axis=0, epsilon=EPSILON)
    mapped = paddle.mv(matrix, v)
    turned = nn.functional.normalize(mapped, axis=0, epsilon=EPSILON)
    # A weight of zeros would turn u to zero, from where no weight could turn it back.
    return paddle.where((mapped * mapped).sum() > 0, turned, u), v


class _Normalized(paddle.autograd.PyLayer):
    """The same by NumPy, in a third of the time: Paddle starts twenty kernels for it.

    Its sums are those of `np.einsum`, of one thread: no bit depends on the number of threads.
    """

    @staticmethod
    def forward(ctx, weight, u, stored_v, training):
        matrix, turned = _rows(weight), elements(u)
        follows = stored_v is None or training
        v = _unit(np.einsum("ij,i->j", matrix, turned)) if follows else elements(stored_v).copy()
        mapped = np.einsum("ij,j->i", matrix, v)
        if training and mapped.any():
            turned[:] = _unit(mapped)
            if stored_v is not None:
                elements(stored_v)[:] = v
        sigma = np.dot(turned.astype(np.float64), mapped)
        ctx.divisor = np.float32(sigma if sigma > EPSILON else 1.0)
        ctx.vectors = (turned.copy(), v) if sigma > EPSILON else None
        divided = empty(weight.shape)
        np.divide(matrix, ctx.divisor, out=_rows(divided))
        ctx.save_for_backward(divided.detach())
        return divided

    @staticmethod
    def backward(ctx, dy):
        refuse_second_derivative("spectral norms")
        (divided,) = ctx.saved_tensor()
        dy = dy if dy.is_contiguous() else dy.contiguous()
        gradient = empty(dy.shape)
        slope, part = _rows(gradient), _rows(dy)
        if ctx.vectors is None:
            slope[:] = part
        else:
            along = np.einsum("ij,ij->i", part, _rows(divided)).sum(dtype=np.float64)
            np.subtract(part, np.float32(along) * np.multiply.outer(*ctx.vectors), out=slope)
            slope /= ctx.divisor
        return gradient


def _rows(kernel: paddle.Tensor) -> np.ndarray:
    """A kernel as a matrix (outputs, inputs x kernel), in its place."""
    return elements(kernel).reshape(kernel.shape[0], -1)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.float32(max(np.sqrt(np.einsum("i,i", vector, vector)), EPSILON))
