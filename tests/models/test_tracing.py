"""A trace that fails leaves nothing behind for the next one, which would crash on it: docs/paddle_tracing.md."""

import gc
import re
import weakref
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

import oldrestore
from oldrestore.models.tracing import save_traced, traced_program

SPECS = [paddle.static.InputSpec([None, 3, 8, 8], "float32", "x")]


class Fails(nn.Layer):
    """Cannot be traced, which shows when the trace has met a weight."""

    def __init__(self, convolution):
        super().__init__()
        self.convolution = convolution

    def forward(self, x):
        self.convolution(x)
        raise ValueError("no trace of this")


class Looks(nn.Layer):
    """Says, while it is traced, whether a weight is still kept."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    @paddle.jit.not_to_static
    def forward(self, x):
        self.kept = is_kept(self.weight)
        return x + 1.0


def is_kept(weight):
    gc.collect()
    return weight() is not None


@pytest.mark.parametrize("trace", [traced_program, lambda layer, specs: save_traced(layer, specs, Path("not written"))])
def test_the_weights_of_a_failed_trace_are_freed(trace):
    convolution = nn.Conv2D(3, 4, 3)
    weight = weakref.ref(convolution.weight)
    with pytest.raises(ValueError, match="no trace of this"):
        trace(Fails(convolution), SPECS)
    del convolution
    assert not is_kept(weight)


def test_a_trace_that_failed_elsewhere_is_forgotten_before_the_next():
    convolution = nn.Conv2D(3, 4, 3)
    weight = weakref.ref(convolution.weight)
    traced = paddle.jit.to_static(Fails(convolution), input_spec=SPECS, full_graph=True)
    with pytest.raises(ValueError, match="no trace of this"):
        _ = traced.forward.concrete_program
    del convolution, traced
    assert is_kept(weight)
    looks = Looks(weight)
    traced_program(looks, SPECS)
    assert looks.kept is False


def test_what_is_traced_after_a_failed_trace_answers_as_the_network_does(tmp_path):
    convolution = nn.Conv2D(3, 4, 3)
    for attempt in range(10):
        with pytest.raises(ValueError, match="no trace of this"):
            traced_program(Fails(convolution), SPECS)
        gc.collect()  # frees the failed program: the next one may have its address
        save_traced(nn.Sequential(convolution, nn.ReLU()), SPECS, tmp_path / f"network{attempt}")
    x = paddle.randn([2, 3, 8, 8])
    expected = nn.functional.relu(convolution(x)).numpy()
    np.testing.assert_allclose(paddle.jit.load(str(tmp_path / "network9"))(x).numpy(), expected, atol=1e-6)


def test_nothing_else_traces():
    root = Path(oldrestore.__file__).parent
    tracing = [path for path in root.rglob("*.py") if re.search(r"\bto_static\(|jit\.save\(", path.read_text())]
    assert [path.relative_to(root).as_posix() for path in tracing] == ["models/tracing.py"]
