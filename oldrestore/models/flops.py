"""Counts the floating-point operations of a network's forward pass from its traced program: nothing is computed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import paddle
from paddle import nn

from oldrestore.models.tracing import Traced, traced_program

# Paddle's names of the operations that are counted.
CONVOLUTIONS = ("conv2d", "depthwise_conv2d")
TRANSPOSED_CONVOLUTIONS = ("conv2d_transpose", "depthwise_conv2d_transpose")
PRODUCTS = ("matmul", "bmm", "addmm")


class _Predictions(Traced):
    def answer(self, inputs: list[paddle.Tensor]) -> list[paddle.Tensor]:
        prediction = self.network(*inputs)
        if isinstance(prediction, paddle.Tensor):
            return [prediction]
        # All of them, so that no part of the network is traced away.
        fields = vars(prediction).values() if hasattr(prediction, "__dict__") else prediction
        return [value for value in fields if value is not None]


def count_flops(network: nn.Layer, shapes: Sequence[Sequence[int]]) -> int:
    """Count the operations of one forward pass over float32 inputs of these shapes, as papers do.

    Convolutions, plain and transposed, and matrix products are counted, of layers and of functions alike, because
    the traced program is read and not the list of layers. A multiplication with its addition is 2 operations. Biases,
    norms, activations and interpolation, together about 1% in these networks, are not counted.

    Raises whatever Paddle raises if the network, in evaluation mode, cannot be traced.
    """
    specs = [paddle.static.InputSpec(list(shape), "float32", f"x{i}") for i, shape in enumerate(shapes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = traced_program(_Predictions(network), [specs])
    return 2 * sum(_multiplications(op) for op in program.global_block().ops)


def _multiplications(op: Any) -> int:
    name = op.name().removeprefix("pd_op.")
    if name not in (*CONVOLUTIONS, *TRANSPOSED_CONVOLUTIONS, *PRODUCTS):
        return 0
    first, second = (tuple(value.shape) for value in op.operands_source()[:2])
    result = tuple(op.results()[0].shape)
    if name in CONVOLUTIONS:
        # Weight (out, in / groups, kh, kw): each number of the result is one dot product over the last three.
        return math.prod(result) * math.prod(second[1:])
    if name in TRANSPOSED_CONVOLUTIONS:
        # Weight (in, out / groups, kh, kw): each number of the input is multiplied into each of the last three.
        return math.prod(first) * math.prod(second[1:])
    if name == "addmm":
        return math.prod(result) * second[-1]
    return math.prod(result) * first[-2 if op.attrs().get("transpose_x") else -1]
