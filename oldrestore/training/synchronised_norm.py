"""Batch norm whose statistics are those of the whole batch when several processes each have a part of it."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn
from paddle.autograd import PyLayer

from oldrestore import parallel
from oldrestore.errors import UserError

# Paddle 3.3.1's `nn.SyncBatchNorm` has no kernel for CPUs.


class SynchronisedBatchNorm2D(nn.BatchNorm2D):
    """A batch norm that, in a training step of several processes, normalises by the whole batch.

    Ioffe and Szegedy, *Batch Normalization* (2015), over all parts of a batch: each process gathers every part's mean
    and variance, and in the backward pass the sums that the statistics' own gradients need. Everywhere else it is
    `paddle.nn.BatchNorm2D`, whose parameters and names it has.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Normalise (B, C, H, W)."""
        if parallel.parts() == 1 or not self.training or self._use_global_stats or self._data_format != "NCHW":
            return super().forward(x)
        with paddle.amp.auto_cast(enable=False):
            normalised, mean_c, variance_c = _Normalise.apply(x, self.weight, self.bias, self._epsilon)
            with paddle.no_grad():
                for running, now in ((self._mean, mean_c), (self._variance, variance_c)):
                    running.set_value(running * self._momentum + now.detach() * (1.0 - self._momentum))
        return normalised


class _Normalise(PyLayer):
    @staticmethod
    def forward(ctx, x_bchw, weight_c, bias_c, epsilon):
        values = x_bchw.astype("float32")
        own_mean = _channel_means(values)
        own_variance = _channel_means((values - _spread(own_mean)).square())
        found = parallel.gathered_arrays(paddle.stack([own_mean, own_variance]))
        # Of parts of the same size; without the loss of digits of a mean of squares less a squared mean.
        mean_c = sum(part[0] for part in found) / len(found)
        variance_c = sum(part[1] + (part[0] - mean_c).square() for part in found) / len(found)
        inverse_c = paddle.rsqrt(variance_c + epsilon)
        ctx.save_for_backward(x_bchw, weight_c, mean_c, inverse_c)
        ctx.learnt = [not parameter.stop_gradient for parameter in (weight_c, bias_c)]
        out = (values - _spread(mean_c)) * _spread(inverse_c * weight_c) + _spread(bias_c)
        return out.astype(x_bchw.dtype), mean_c, variance_c

    @staticmethod
    def backward(ctx, slope_bchw, *of_statistics):
        x_bchw, weight_c, mean_c, inverse_c = ctx.saved_tensor()
        slope = slope_bchw.astype("float32")
        normalised = (x_bchw.astype("float32") - _spread(mean_c)) * _spread(inverse_c)
        slope_mean, product_mean = _channel_means(slope), _channel_means(slope * normalised)
        whole = parallel.summed_array(paddle.stack([slope_mean, product_mean])) / parallel.size()
        own = slope - _spread(whole[0]) - normalised * _spread(whole[1])
        count = x_bchw.size // x_bchw.shape[1]
        gradients = (
            (own * _spread(inverse_c * weight_c)).astype(x_bchw.dtype),
            product_mean * count if ctx.learnt[0] else None,
            slope_mean * count if ctx.learnt[1] else None,
        )
        return gradients


def _channel_means(values_bchw: paddle.Tensor) -> paddle.Tensor:
    """Mean of each channel, (C,); over the last axis first, which is the fast one on a CPU."""
    return values_bchw.flatten(start_axis=2).mean(axis=2).mean(axis=0)


def _spread(values_c: paddle.Tensor) -> paddle.Tensor:
    return values_c.reshape([1, -1, 1, 1])


def synchronise_batch_norm(network: nn.Layer) -> None:
    """Make every batch norm of a network one that is synchronised, in place; a single process keeps its own.

    Parameters, names and what has been counted stay. Frozen networks in evaluation mode are not affected.

    Raises
    ------
    UserError
        The network has a batch norm that is not of photographs, which is not known how to synchronise.
    """
    if parallel.size() == 1:
        return
    base: Any = nn.BatchNorm2D.__mro__[1]
    for name, layer in network.named_sublayers(include_self=True):
        if type(layer) is nn.BatchNorm2D:
            object.__setattr__(layer, "__class__", SynchronisedBatchNorm2D)
        elif isinstance(layer, base) and not isinstance(layer, SynchronisedBatchNorm2D):
            raise UserError(
                f"{type(network).__name__}.{name} is a {type(layer).__name__}, whose statistics cannot be shared by "
                "several processes: take trainer.processes=1"
            )
