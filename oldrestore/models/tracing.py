"""Traces networks, so that one that cannot be traced leaves nothing on which a later trace would crash."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paddle
from paddle import nn


class Traced(nn.Layer):
    """A network as a function from a list of tensors, its `answer`, in evaluation mode.

    With `rewrite`, Paddle rewrites the source of what is called, which takes seconds, so that control flow may depend
    on values and sizes may stay open. Without, any Python may compute with sizes that are fixed.
    """

    def __init__(self, network: nn.Layer, rewrite: bool = False) -> None:
        super().__init__()
        self.network = network
        self.rewrite = rewrite
        self.eval()

    def answer(self, inputs: list[paddle.Tensor]) -> Any:
        """Call the network."""
        raise NotImplementedError

    def forward(self, inputs: list[paddle.Tensor]) -> Any:
        """Answer."""
        return self.answer(inputs) if self.rewrite else self._answer_untouched(inputs)

    @paddle.jit.not_to_static
    def _answer_untouched(self, inputs: list[paddle.Tensor]) -> Any:
        return self.answer(inputs)


def traced_program(layer: nn.Layer, inputs: Sequence[Any]) -> Any:
    """Return the program of a layer's ``forward``; raises whatever Paddle raises if it cannot be traced.

    `inputs` has a ``paddle.static.InputSpec`` for each argument, or a list of them for an argument that is a list.
    """
    with _clean():
        return paddle.jit.to_static(layer, input_spec=inputs, full_graph=True).forward.concrete_program.main_program


def save_traced(layer: nn.Layer, inputs: Sequence[Any], path: Path) -> None:
    """Trace as `traced_program` does, and write ``PATH.json`` and ``PATH.pdiparams``."""
    with _clean():
        paddle.jit.save(paddle.jit.to_static(layer, input_spec=inputs, full_graph=True), str(path))


def what_paddle_said(error: Exception) -> str:
    """Pick the line about the error from the many that Paddle writes about its tracing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if re.match(r"\w*Error: ", line)), lines[0])


@contextmanager
def _clean() -> Iterator[None]:
    """Trace within this; see docs/paddle_tracing.md."""
    _forget_traces()  # that failed elsewhere
    try:
        yield
    finally:
        _forget_traces()


def _forget_traces() -> None:
    # Paddle 3.3.1 keeps, by the program's id(), the values that stand for a network's weights while it is traced,
    # and forgets them only if the trace succeeds: another program at the same address is then given them, dangling.
    # Later versions may keep them otherwise.
    from paddle.jit.dy2static import parameter_recorder

    for recorder in ("_global_parameter_recorder", "_global_inplace_map"):
        for by_program in ("params_dict", "tensor2value"):
            getattr(getattr(parameter_recorder, recorder, None), by_program, {}).clear()
