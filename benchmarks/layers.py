"""Single layers, forward and both gradients: oldrestore's kernels, Paddle's, and PyTorch's.

    python benchmarks/layers.py [--torch PYTHON] [--rounds 7]

Each way lives in a process of its own, and for each layer they take turns. What a layer reads lies channels last for
ours and for "PyTorch, channels last", as it does in a network. Shares of the matrix product count three passes. With
OMP_NUM_THREADS=1, seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import pairs
from training_step import MATRIX_SIDE, OURS, PADDLE, PRODUCT, TORCH, matrix_product


@dataclass(frozen=True)
class Layer:
    """A convolution of `batch` maps of `side` x `side`, with a bias unless it is depthwise; zeros keep the side."""

    batch: int
    inputs: int
    outputs: int
    side: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    depthwise: bool = False
    transposed: bool = False

    @property
    def padding(self) -> int:
        """Zeros on each side."""
        return 1 if self.transposed else self.dilation * (self.kernel - 1) // 2

    @property
    def operations(self) -> int:
        """Of a forward pass."""
        places = self.side**2 if self.transposed else (self.side // self.stride) ** 2
        inputs = 1 if self.depthwise else self.inputs
        return 2 * self.batch * places * inputs * self.outputs * self.kernel**2

    def __str__(self) -> str:
        kinds = (("depthwise", self.depthwise), ("transposed", self.transposed), ("dilated", self.dilation > 1))
        kind = [word for word, is_so in kinds if is_so] + [f"stride {self.stride}"] * (self.stride > 1)
        shape = f"{self.batch} x {self.inputs} x {self.side} x {self.side}"
        return f"{shape} to {self.outputs}, {self.kernel} x {self.kernel} {' '.join(kind)}"


LAYERS = (
    Layer(16, 16, 16, 64),
    Layer(16, 32, 32, 32, stride=2),
    Layer(16, 64, 64, 16),
    Layer(16, 128, 128, 8),
    Layer(16, 128, 128, 8, dilation=2),
    Layer(16, 128, 64, 8, kernel=4, stride=2, transposed=True),
    Layer(16, 64, 313, 16, kernel=1),
    Layer(4, 64, 64, 176, stride=2),
    Layer(4, 256, 256, 44),
    Layer(4, 512, 512, 22),
    Layer(4, 512, 512, 22, dilation=2),
    Layer(4, 512, 256, 22, kernel=4, stride=2, transposed=True),
    Layer(4, 64, 128, 32, kernel=4, stride=2),
    Layer(8, 144, 144, 32, depthwise=True),
    Layer(16, 144, 144, 32, kernel=5, depthwise=True),
    Layer(16, 480, 480, 8, kernel=5, depthwise=True),
    Layer(8, 24, 144, 32, kernel=1),
    Layer(8, 720, 120, 8, kernel=1),
)


def in_oldrestore(layer: Layer) -> Callable[[], None]:
    """The layer that our networks are made of; `choose` says with which kernels."""
    import paddle
    from paddle import nn

    from oldrestore.kernels import choice
    from oldrestore.models.convolution import Conv2D, Conv2DTranspose

    settings = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    settings |= {"groups": layer.inputs if layer.depthwise else 1, "bias_attr": False if layer.depthwise else None}
    maker: type[nn.Layer] = Conv2DTranspose if layer.transposed else Conv2D
    convolution = maker(layer.inputs, layer.outputs, layer.kernel, **settings)

    def lying(x: paddle.Tensor) -> paddle.Tensor:
        """The same numbers, channels last in memory if ours is to read them."""
        return x.transpose([0, 2, 3, 1]).contiguous().transpose([0, 3, 1, 2]) if choice.usable(x) else x

    x = lying(paddle.randn([layer.batch, layer.inputs, layer.side, layer.side]))
    x.stop_gradient = False
    slope = lying(paddle.randn(convolution(x).shape))

    class Following(paddle.autograd.PyLayer):
        """What follows in a network: a slope that lies as it does there, which Paddle's `backward` would lay anew."""

        @staticmethod
        def forward(ctx, y):
            return paddle.zeros([])

        @staticmethod
        def backward(ctx, _):
            return slope

    def step() -> None:
        Following.apply(convolution(x)).backward()
        convolution.clear_gradients(set_to_zero=False)
        x.clear_gradient(set_to_zero=False)

    return step


def in_torch(layer: Layer, channels_last: bool) -> Callable[[], None]:
    """The same layer in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    settings = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    settings |= {"groups": layer.inputs if layer.depthwise else 1, "bias": not layer.depthwise}
    maker = nn.ConvTranspose2d if layer.transposed else nn.Conv2d
    form = torch.channels_last if channels_last else torch.contiguous_format
    convolution = maker(layer.inputs, layer.outputs, layer.kernel, **settings).to(memory_format=form)
    x = torch.randn(layer.batch, layer.inputs, layer.side, layer.side).to(memory_format=form).requires_grad_()
    slope = torch.randn(convolution(x).shape).to(memory_format=form)

    def step() -> None:
        convolution(x).backward(slope)
        convolution.zero_grad(set_to_none=True)
        x.grad = None

    return step


def be_one(name: str) -> None:
    """Time the layer whose number comes in, until no more come."""
    if name not in TORCH:
        from oldrestore import runtime

        runtime.prepare()
        runtime.quiet_import_of_paddle()
        from oldrestore.kernels import choice

        choice.choose("paddle" if name == PADDLE else "auto")
    if name == PRODUCT:
        pairs.serve(matrix_product())
        return
    last, way = None, None
    while word := pairs.input_line():
        if word != last:
            layer, last = LAYERS[int(word)], word
            step = in_torch(layer, "last" in name) if name in TORCH else in_oldrestore(layer)
            way = pairs.steady(step, least=0.1)
        print(way(), flush=True)


def main() -> None:
    """Measure all layers, or be one of the processes that take turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python that has PyTorch; this one where it has it")
    parser.add_argument("--serve", metavar="WAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        be_one(options.serve)
        return
    from oldrestore import runtime

    torch_python = options.torch or (sys.executable if find_spec("torch") else None)
    os.environ.setdefault("OMP_NUM_THREADS", str(runtime.physical_cores()))
    pythons = dict.fromkeys([OURS, PADDLE], sys.executable)
    pythons |= dict.fromkeys(list(TORCH)[:2] if torch_python else [], torch_python)
    print(pairs.machine())
    with ExitStack() as stack:

        def start(name: str, python: str) -> Callable[..., float]:
            return stack.enter_context(pairs.standing([python, __file__, "--serve", name]))

        ways = {name: start(name, python) for name, python in pythons.items()}
        product = start(PRODUCT, sys.executable)
        peak = 2 * MATRIX_SIDE**3 / min(product() for _ in range(5))
        print(f"matrix product {peak / 1e9:.0f} GFLOP/s")
        for number, layer in enumerate(LAYERS):
            asked = {name: partial(way, str(number)) for name, way in ways.items()}
            seconds = pairs.alternate(asked, options.rounds)
            took = statistics.median(seconds[OURS])
            print(f"{layer}: {1e3 * took:.2f} ms, {3 * layer.operations / took / peak:.0%} of the matrix product")
            for name in list(ways)[1:]:
                milliseconds = 1e3 * statistics.median(seconds[name])
                print(f"  {name:<24}{milliseconds:9.2f} ms   {pairs.times_faster(seconds, OURS, name)}", flush=True)


if __name__ == "__main__":
    main()
