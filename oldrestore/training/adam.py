"""The update of Paddle's Adam on a CPU, by NumPy: two thirds of the time, and on all threads.

Paddle (3.3.1) starts three kernels for each weight, which compute on one thread: a tenth of the quickstart's step.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import paddle
from paddle.base import framework

from oldrestore.kernels import choice
from oldrestore.kernels.tensors import elements
from oldrestore.runtime import paddle_threads

AT_ONCE = 32_768  # elements of a weight: of fewer, NumPy's calls cost more than the arithmetic


class Adam:
    """Updates the weights of a `paddle.optimizer.Adam`, whose moments it uses and leaves as Paddle would.

    Every operation is of single elements and rounded once, so that no bit depends on the number of threads.

    References
    ----------
    Kingma, Ba. Adam: A Method for Stochastic Optimization. ICLR 2015, algorithm 1.
    """

    def __init__(self, optimizer: paddle.optimizer.Adam, parameters: Sequence[paddle.Tensor]) -> None:
        self._optimizer, self._parameters = optimizer, list(parameters)

    @staticmethod
    def can_replace(optimizer: paddle.optimizer.Optimizer, parameters: Sequence[paddle.Tensor]) -> bool:
        """Whether it does what an optimizer would: Adam of float32 on a CPU, without clipping or other extras."""
        if type(optimizer) is not paddle.optimizer.Adam or choice.described() == "paddle":
            return False
        plain = optimizer._grad_clip is None and not (optimizer._amsgrad or optimizer._lazy_mode)
        numbers = all(isinstance(value, float) for value in (optimizer._beta1, optimizer._beta2))
        decay = optimizer.regularization
        known = decay is None or type(decay) is paddle.regularizer.L2Decay
        return plain and numbers and known and all(map(_plain, parameters))

    def step(self) -> None:
        """Move each weight that has a gradient."""
        optimizer = self._optimizer
        # Where a checkpoint's moments are taken over; nothing if they are there already.
        optimizer._create_accumulators(framework.default_main_program().global_block(), self._parameters)
        decay = optimizer.regularization
        fixed = optimizer._beta1, optimizer._beta2, optimizer._epsilon, decay._coeff if decay else 0.0
        work = []
        for parameter in self._parameters:
            if parameter.grad is None:
                continue
            names = optimizer._moment1_acc_str, optimizer._moment2_acc_str
            moments = [optimizer._accumulators[name][parameter.name] for name in names]
            names = optimizer._beta1_pow_acc_str, optimizer._beta2_pow_acc_str
            powers = [optimizer._accumulators[name][parameter.name] for name in names]
            gradient = parameter.grad if parameter.grad.is_contiguous() else parameter.grad.contiguous()
            corrections = [1.0 - float(elements(power)[0]) for power in powers]
            rate = optimizer.get_lr() * corrections[1] ** 0.5 / corrections[0]
            epsilon = fixed[2] * corrections[1] ** 0.5
            vectors = [elements(tensor) for tensor in (parameter, gradient, *moments)]
            for start in range(0, len(vectors[0]), AT_ONCE):
                part = [vector[start : start + AT_ONCE] for vector in vectors]
                work.append((gradient, part, rate, epsilon, fixed))
            for power, beta in zip(powers, fixed, strict=False):
                elements(power)[:] *= np.float32(beta)
        threads = paddle_threads()
        shares = [work[first::threads] for first in range(threads)]
        if threads == 1:
            _move(work)
        else:
            list(_pool(threads).map(_move, shares))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "adam")


def _plain(parameter: paddle.Tensor) -> bool:
    own_rate = getattr(parameter, "optimize_attr", {}).get("learning_rate", 1.0)
    on_cpu = parameter.place.is_cpu_place() and parameter.dtype == paddle.float32 and parameter.is_contiguous()
    return on_cpu and own_rate == 1.0 and getattr(parameter, "regularizer", None) is None


@np.errstate(invalid="ignore", over="ignore")  # whoever reads the loss or the weights says that they diverged
def _move(work: list[tuple]) -> None:
    buffers = np.empty((2, AT_ONCE), np.float32)
    for _, (weight, gradient, mean, square), rate, epsilon, (beta1, beta2, _, decay) in work:
        slope, part = buffers[:, : len(weight)]
        # NumPy's scalars of float32, so that nothing becomes float64 on the way.
        np.multiply(weight, np.float32(decay), out=slope)
        np.add(slope, gradient, out=slope)
        mean *= np.float32(beta1)
        np.multiply(slope, np.float32(1.0 - beta1), out=part)
        mean += part
        square *= np.float32(beta2)
        np.multiply(slope, slope, out=part)
        part *= np.float32(1.0 - beta2)
        square += part
        np.sqrt(square, out=part)
        part += np.float32(epsilon)
        np.divide(mean, part, out=part)
        part *= np.float32(rate)
        weight -= part
