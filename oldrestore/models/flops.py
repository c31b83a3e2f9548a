"""Counts the floating-point operations of a network's forward pass from its traced program: nothing is computed."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import paddle
from paddle import nn

from oldrestore.models.tracing import traced_program

Shape = Sequence[int]


class _Traced(nn.Layer):
    """A network as one function from a list of tensors to a list of tensors, as tracing needs it."""

    def __init__(self, network: nn.Layer) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: list[paddle.Tensor]) -> list[paddle.Tensor]:
        return self._run(inputs)

    # The networks' control flow depends on sizes and settings, never on values, so Paddle need not rewrite their
    # source for a static program, which takes seconds a network.
    @paddle.jit.not_to_static
    def _run(self, inputs: list[paddle.Tensor]) -> list[paddle.Tensor]:
        prediction = self.network(*inputs)
        if isinstance(prediction, paddle.Tensor):
            return [prediction]
        # All of them, so that no part of the network is traced away.
        fields = vars(prediction).values() if hasattr(prediction, "__dict__") else prediction
        return [value for value in fields if value is not None]


def count_flops(network: nn.Layer, shapes: Sequence[Shape]) -> int:
    """Count the operations of one forward pass over float32 inputs of these shapes, as papers do.

    Convolutions, plain and transposed, and matrix products are counted, of layers and of functions alike, because
    the traced program is read and not the list of layers. A multiplication with its addition is 2 operations. Biases,
    norms, activations and interpolation, together about 1% in these networks, are not counted.

    Raises whatever Paddle raises if the network, in evaluation mode, cannot be traced.
    """
    specs = [paddle.static.InputSpec(list(shape), "float32", f"x{i}") for i, shape in enumerate(shapes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = traced_program(_Traced(network), [specs])
    return sum(_operation_flops(op) for op in program.global_block().ops)


def what_paddle_said(error: Exception) -> str:
    """Pick the line about the error from the many that Paddle writes about its tracing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if re.match(r"\w*Error: ", line)), lines[0])


def _operation_flops(op: Any) -> int:
    count = COUNTED.get(op.name().removeprefix("pd_op."))
    if count is None:
        return 0
    return 2 * count([tuple(v.shape) for v in op.operands_source()], tuple(op.results()[0].shape), op.attrs())


def _convolution(operands: list[Shape], result: Shape, _: dict[str, Any]) -> int:
    # Weight (out, in / groups, kh, kw): each number of the result is one dot product over the last three.
    return math.prod(result) * math.prod(operands[1][1:])


def _transposed_convolution(operands: list[Shape], result: Shape, _: dict[str, Any]) -> int:
    # Weight (in, out / groups, kh, kw): each number of the input is multiplied into each of the last three.
    return math.prod(operands[0]) * math.prod(operands[1][1:])


def _product(operands: list[Shape], result: Shape, attributes: dict[str, Any]) -> int:
    return math.prod(result) * operands[0][-2 if attributes.get("transpose_x") else -1]


def _sum_and_product(operands: list[Shape], result: Shape, _: dict[str, Any]) -> int:
    return math.prod(result) * operands[1][-1]


# Multiplications, by Paddle's name of the operation.
COUNTED: dict[str, Callable[[list[Shape], Shape, dict[str, Any]], int]] = {
    "conv2d": _convolution,
    "depthwise_conv2d": _convolution,
    "conv2d_transpose": _transposed_convolution,
    "depthwise_conv2d_transpose": _transposed_convolution,
    "matmul": _product,
    "bmm": _product,
    "addmm": _sum_and_product,
}
