"""Counts the floating-point operations of a network's forward pass from its traced program: nothing is computed."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

import paddle
from paddle import nn

from oldrestore.models.tracing import traced_program

# Paddle's names of the operations that are counted.
CONVOLUTIONS = ("conv2d", "depthwise_conv2d")
TRANSPOSED_CONVOLUTIONS = ("conv2d_transpose", "depthwise_conv2d_transpose")
PRODUCTS = ("matmul", "bmm", "addmm")


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
        program = traced_program(_Traced(network), [specs])
    return 2 * sum(_multiplications(op) for op in program.global_block().ops)


def what_paddle_said(error: Exception) -> str:
    """Pick the line about the error from the many that Paddle writes about its tracing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if re.match(r"\w*Error: ", line)), lines[0])


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
