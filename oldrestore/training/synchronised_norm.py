"""Batch norm whose statistics are those of the whole batch when several processes each have a part of it."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn
from paddle.autograd import PyLayer

from oldrestore import parallel
from oldrestore.errors import UserError


class SynchronisedBatchNorm2D(nn.BatchNorm2D):
    """A batch norm that, in a training step of several processes, normalises by the whole batch.

    Ioffe and Szegedy, *Batch Normalization* (2015), over all parts of a batch: each process gathers every part's mean
    and variance, and in the backward pass the sums that the statistics' own gradients need. Everywhere else it is
    `paddle.nn.BatchNorm2D`, whose parameters and names it has. Paddle 3.3.1's `SyncBatchNorm` has no kernel for CPUs.
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
        parts = parallel.gathered_arrays(paddle.stack([own_mean, own_variance]))
        # The parts have one size. A mean of squares less a squared mean would lose digits.
        mean_c = sum(part[0] for part in parts) / len(parts)
        variance_c = sum(part[1] + (part[0] - mean_c).square() for part in parts) / len(parts)
        inverse_c = paddle.rsqrt(variance_c + epsilon)
        ctx.save_for_backward(x_bchw, weight_c, mean_c, inverse_c)
        ctx.learnt = [not parameter.stop_gradient for parameter in (weight_c, bias_c)]
        out = (values - _spread(mean_c)) * _spread(inverse_c * weight_c) + _spread(bias_c)
        return out.astype(x_bchw.dtype), mean_c, variance_c

    @staticmethod
    def backward(ctx, slope_bchw, *_):
        x_bchw, weight_c, mean_c, inverse_c = ctx.saved_tensor()
        slope = slope_bchw.astype("float32")
        normalised = (x_bchw.astype("float32") - _spread(mean_c)) * _spread(inverse_c)
        slope_mean, product_mean = _channel_means(slope), _channel_means(slope * normalised)
        whole = parallel.summed_array(paddle.stack([slope_mean, product_mean])) / parallel.size()
        own = slope - _spread(whole[0]) - normalised * _spread(whole[1])
        count = x_bchw.size // x_bchw.shape[1]
        return (
            (own * _spread(inverse_c * weight_c)).astype(x_bchw.dtype),
            product_mean * count if ctx.learnt[0] else None,
            slope_mean * count if ctx.learnt[1] else None,
        )


def _channel_means(values_bchw: paddle.Tensor) -> paddle.Tensor:
    """Mean of each channel, (C,); over the last axis first, which is the fast one on a CPU."""
    return values_bchw.flatten(start_axis=2).mean(axis=2).mean(axis=0)


def _spread(values_c: paddle.Tensor) -> paddle.Tensor:
    return values_c.reshape([1, -1, 1, 1])


def synchronise_batch_norm(network: nn.Layer) -> None:
    """Synchronise every batch norm of a network, in place, unless there is a single process.

    Parameters, names and running statistics stay. A batch norm that is not of photographs is a `UserError`.
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
