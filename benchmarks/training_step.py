"""How long a training step takes: as oldrestore runs it, with Paddle's own environment, and in PyTorch.

    python benchmarks/training_step.py [--torch PYTHON] [--only full] [--rounds 5]

Each way lives in a process of its own and they take turns. "Ours" and "Paddle's defaults" are one program: pixels to
Lab and targets, network, loss, gradients, Adam; the second without what `oldrestore.runtime.prepare` sets. The
PyTorch side (another Python may have it: ``--torch /path/to/python``) has the same layers and Adam with the same
weight decay, and is given its input and dense soft targets ready made, so it does less. The share of this machine's
matrix product that ours reaches counts the forward and the backward pass: three times the operations of the forward.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import pairs

# name: (model, width, side, batch, further settings)
SIZES = {
    "full": ("eccv16", 1.0, 176, 4),
    "quickstart": ("eccv16", 0.25, 64, 16),
    "siggraph17": ("siggraph17", 0.5, 96, 4),
    "sagan": ("sagan_restore", 0.5, 64, 4),
}
SETTINGS = {
    "sagan": ["loss=restoration", "inputs=holes", "trainer=adversarial", "optimizer=adam_adversarial"],
    "siggraph17": ["loss=siggraph17_full", "inputs=hints"],
}
WITH_TORCH = ("full", "quickstart")
MATRIX_SIDE = 2048


def ours(size: str) -> pairs.Way:
    """A step of oldrestore's learner, on photographs of noise."""
    import numpy as np
    import paddle

    from oldrestore.config.compose import compose_config
    from oldrestore.run.components import build_components

    model, width, side, batch = SIZES[size]
    settings = [f"model={model}", f"model.width={width}", f"dataset.crops.crop={side}", "dataset.crops.size=176"]
    typed = [*settings, "evaluation.judged=null", *SETTINGS.get(size, [])]
    if size == "sagan":
        typed.append("evaluation=holes")
    components = build_components(compose_config(typed))
    rng = np.random.default_rng(0)
    rgb = paddle.to_tensor(rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8))
    names = tuple(str(number) for number in range(batch))
    done = 0

    def step() -> None:
        nonlocal done
        made = components.inputs(rgb, names, np.random.default_rng(done))
        done += 1
        float(components.learner.step([made], done)["loss"])

    return pairs.timed(step)


def in_pytorch(size: str, channels_last: bool) -> pairs.Way:
    """A step of the same layers in PyTorch, given its input and targets ready made."""
    import warnings

    warnings.simplefilter("ignore")
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    _, width, side, batch = SIZES[size]
    c64, c128, c256, c512 = (round(channels * width) for channels in (64, 128, 256, 512))

    def block(inputs: int, outputs: int, layers: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
        stack: list[nn.Module] = []
        for index in range(layers):
            last = index == layers - 1
            settings = {"stride": stride if last else 1, "padding": dilation, "dilation": dilation}
            stack += [nn.Conv2d(outputs if index else inputs, outputs, 3, **settings), nn.ReLU()]
        return [*stack, nn.BatchNorm2d(outputs)]

    network = nn.Sequential(
        *block(1, c64, 2, 2),
        *block(c64, c128, 2, 2),
        *block(c128, c256, 3, 2),
        *block(c256, c512, 3),
        *block(c512, c512, 3, dilation=2),
        *block(c512, c512, 3, dilation=2),
        *block(c512, c512, 3),
        nn.ConvTranspose2d(c512, c256, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(c256, c256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(c256, c256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(c256, 313, 1),
    )
    optimizer = torch.optim.Adam(network.parameters(), 3e-5, (0.9, 0.99), weight_decay=1e-3)
    x, targets = torch.randn(batch, 1, side, side), torch.randn(batch, 313, side // 4, side // 4).softmax(1)
    if channels_last:
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)

    def step() -> None:
        loss = -(targets * network(x).log_softmax(1)).sum(1).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    return pairs.timed(step)


def matrix_product() -> pairs.Way:
    """A float32 product of two square matrices, best of five: what this machine can do."""
    import paddle

    x = paddle.randn([MATRIX_SIDE, MATRIX_SIDE])

    def best() -> float:
        found = []
        for _ in range(5):
            began = time.perf_counter()
            float((x @ x)[0, 0])
            found.append(time.perf_counter() - began)
        return min(found)

    return best


def operations(size: str) -> int:
    """Floating-point operations of forward and backward pass of a batch."""
    from oldrestore import runtime

    runtime.quiet_import_of_paddle()
    from oldrestore.models.eccv16 import Eccv16
    from oldrestore.models.flops import count_flops

    _, width, side, batch = SIZES[size]
    return 3 * count_flops(Eccv16(width).eval(), [(batch, 1, side, side)])


def way_in_this_process(name: str, size: str) -> pairs.Way:
    """One way, after the environment is set as it wants."""
    if name.startswith("PyTorch"):
        return in_pytorch(size, channels_last="last" in name)
    from oldrestore import runtime

    if name != "Paddle's defaults":
        runtime.prepare()
    runtime.quiet_import_of_paddle()
    return matrix_product() if name == "matrix product" else ours(size)


def measure(size: str, torch_python: str | None, rounds: int) -> None:
    """Let all ways of one size take turns and print what was found."""
    from contextlib import ExitStack

    from oldrestore import runtime

    threads = os.environ.get("OMP_NUM_THREADS", str(runtime.physical_cores()))
    names = ["ours", "Paddle's defaults"]
    if size in WITH_TORCH:
        names += ["matrix product", *(["PyTorch", "PyTorch, channels last"] if torch_python else [])]
    with ExitStack() as stack:
        ways = {}
        for name in names:
            python = torch_python if name.startswith("PyTorch") else sys.executable
            theirs = {} if name == "Paddle's defaults" else {"OMP_NUM_THREADS": threads}
            command = [python, __file__, "--serve", name, "--only", size]
            ways[name] = stack.enter_context(pairs.standing(command, theirs))
        seconds = pairs.alternate(ways, rounds)
    model, width, side, batch = SIZES[size]
    print(f"\n{size}: {model}, width {width}, {side} x {side}, batch {batch}")
    for name in names:
        if name != "matrix product":
            ratio = "" if name == "ours" else f"   ours is {pairs.times_faster(seconds, 'ours', name)} as fast"
            print(f"  {name:<24}{sorted(seconds[name])[rounds // 2]:8.3f} s a step{ratio}", flush=True)
    if "matrix product" in names:
        peak = 2 * MATRIX_SIDE**3 / min(seconds["matrix product"])
        shares = sorted(operations(size) / took / peak for took in seconds["ours"])
        print(f"  matrix product {peak / 1e9:.0f} GFLOP/s; ours reaches {shares[rounds // 2]:.0%} of it", flush=True)


def main() -> None:
    """Measure all sizes, or be one of the processes that take turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SIZES, help="one size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python that has PyTorch; this one where it has it")
    parser.add_argument("--serve", metavar="WAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        pairs.serve(way_in_this_process(options.serve, options.only))
        return
    from importlib.util import find_spec

    torch_python = options.torch or (sys.executable if find_spec("torch") else None)
    print(pairs.machine())
    if torch_python is None:
        print("PyTorch is not installed here and --torch names no Python that has it: left out")
    for size in [options.only] if options.only else SIZES:
        measure(size, torch_python, options.rounds)


if __name__ == "__main__":
    main()
