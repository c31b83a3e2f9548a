"""How long a training step takes: with oldrestore's kernels, with Paddle's, and in PyTorch.

    python benchmarks/training_step.py [--torch PYTHON] [--only full] [--rounds 5]

Each way lives in a process of its own and they take turns. "Ours", "Paddle's kernels" (``trainer.kernels=paddle``) and
"Paddle's defaults" (the same, without what `oldrestore.runtime.prepare` sets) are one program: pixels to Lab and
targets, network, loss, gradients, Adam. The PyTorch side (`torch_steps`; another Python may have it: ``--torch
/path/to/python``) has the same layers, losses and Adam, and is given its input and targets ready made (dense soft ones;
holes filled), so it does less. The two of EfficientNet-lite2 are forward and backward pass alone.

The share of this machine's matrix product that ours reaches counts the convolutions and products of the forward pass,
and twice as many of the backward pass: once for the weights' gradients, once for the inputs'. With OMP_NUM_THREADS=1,
seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pairs

MATRIX_SIDE = 2048


@dataclass(frozen=True)
class Size:
    """A step: the network, the side of its photographs, their number; further settings, as typed after `train`."""

    network: str
    width: float
    side: int
    batch: int
    settings: str = ""
    in_torch: bool = True

    def __str__(self) -> str:
        return f"{self.network}, width {self.width:g}, {self.side} x {self.side}, batch {self.batch}"


AGREEMENT = "loss=cross_entropy_agreement"
PERCEPTUAL = (
    "loss=cross_entropy_colorfulness ~loss.terms.colorfulness +loss@loss.terms.perceptual.loss=perceptual "
    "loss.terms.perceptual.loss.annealed_mean=0.38"
)
ADVERSARIAL = (
    "loss=restoration inputs=holes evaluation=holes optimizer=adam_adversarial trainer=adversarial "
    "trainer.learner.pretrain_iterations=0 trainer.learner.discriminator.width=0.5"
)
SIZES = {
    "full": Size("eccv16", 1.0, 176, 4),
    "quickstart": Size("eccv16", 0.25, 64, 16),
    "siggraph17": Size("siggraph17", 0.5, 96, 4, "loss=siggraph17_full inputs=hints"),
    "sagan": Size("sagan_restore", 0.5, 64, 4, ADVERSARIAL),
    "lite2": Size("efficientnet_lite2", 1.0, 128, 8),
    "lite2_frozen": Size("frozen_efficientnet_lite2", 1.0, 128, 8),
    "lite_unet": Size("lite_unet", 1.0, 128, 8, "optimizer=adamw", in_torch=False),
    "perceptual": Size("eccv16", 0.25, 128, 16, PERCEPTUAL, in_torch=False),
    "agreement": Size("eccv16", 0.25, 128, 16, AGREEMENT, in_torch=False),
}
OURS, PADDLE, DEFAULTS, PRODUCT = "ours", "Paddle's kernels", "Paddle's defaults", "matrix product"
TORCH = {"PyTorch": "contiguous", "PyTorch, channels last": "channels_last", "PyTorch, compiled": "compiled"}
WITHOUT = ", without the recognition network"


def learner_step(size: Size) -> Callable[[], None]:
    """A step of oldrestore's learner, on photographs of noise."""
    import numpy as np
    import paddle

    from oldrestore.config.compose import compose_config
    from oldrestore.run.components import build_components

    typed = [f"model={size.network}", f"model.width={size.width}", f"dataset.crops.crop={size.side}"]
    typed += ["dataset.crops.size=176", "evaluation.judged=null", *size.settings.split()]
    components = build_components(compose_config(typed))
    rng = np.random.default_rng(0)
    rgb = paddle.to_tensor(rng.integers(0, 256, (size.batch, size.side, size.side, 3), dtype=np.uint8))
    names = tuple(str(number) for number in range(size.batch))
    done = 0

    def step() -> None:
        nonlocal done
        made = components.inputs(rgb, names, np.random.default_rng(done))
        done += 1
        float(components.learner.step([made], done)["loss"])

    return step


def recognition_step(size: Size) -> Callable[[], None]:
    """Forward and backward pass of EfficientNet-lite2: in training mode, or frozen, for its input's gradient."""
    import paddle

    from oldrestore.models.efficientnet_lite import EfficientNetLiteNetwork

    network = EfficientNetLiteNetwork.from_package("lite2")
    frozen = size.network.startswith("frozen")
    if not frozen:
        network.train()
    for parameter in network.parameters():
        parameter.stop_gradient = parameter.stop_gradient or frozen
    x = paddle.rand([size.batch, 3, size.side, size.side])
    x.stop_gradient = False

    def step() -> None:
        loss = sum(level.abs().mean() for level in network.features(x)) if frozen else network(x).square().mean()
        loss.backward()
        network.clear_gradients(set_to_zero=False)
        x.clear_gradient(set_to_zero=False)

    return step


def matrix_product() -> pairs.Way:
    """A float32 product of two square matrices, best of five: what this machine can do."""
    import paddle

    x, clock = paddle.randn([MATRIX_SIDE, MATRIX_SIDE]), pairs.clock_of_threads()

    def best() -> float:
        found = []
        for _ in range(5):
            began = clock()
            float((x @ x)[0, 0])
            found.append(clock() - began)
        return min(found)

    return best


def operations(size: Size) -> int | None:
    """Floating-point operations of the convolutions and products of a step; None where they are not counted."""
    from oldrestore import runtime

    runtime.quiet_import_of_paddle()
    from oldrestore.models.eccv16 import Eccv16
    from oldrestore.models.efficientnet_lite import EfficientNetLiteNetwork
    from oldrestore.models.flops import count_flops
    from oldrestore.models.patch_discriminator import PatchDiscriminator
    from oldrestore.models.sagan import SaganRestorer
    from oldrestore.models.siggraph17 import Siggraph17

    def forward(network, channels: Sequence[int], photographs: int = size.batch) -> int:
        return count_flops(network.eval(), [(photographs, count, size.side, size.side) for count in channels])

    match size.network:
        case "eccv16":
            return 3 * forward(Eccv16(size.width), [1])
        case "siggraph17":
            return 3 * forward(Siggraph17(size.width), [1, 3])
        case "sagan_restore":
            # The discriminator learns from real and painted photographs, and then teaches the restorer.
            of_discriminator = forward(PatchDiscriminator("rgb", size.width), [4])
            return 3 * forward(SaganRestorer(size.width).trunk, [4]) + (3 * 2 + 2) * of_discriminator
        case "efficientnet_lite2":
            return 3 * forward(EfficientNetLiteNetwork("lite2"), [3])
        case "frozen_efficientnet_lite2":
            return 2 * forward(EfficientNetLiteNetwork("lite2"), [3])
    return None


def way_in_this_process(name: str, size: Size) -> pairs.Way:
    """One way, after the environment is set as it wants."""
    from oldrestore import runtime

    if not name.startswith(DEFAULTS):
        runtime.prepare()
    runtime.quiet_import_of_paddle()
    if name == PRODUCT:
        return matrix_product()
    from oldrestore.kernels import choice

    choice.choose("auto" if name.startswith(OURS) else "paddle")
    if WITHOUT in name:
        size = replace(size, settings="loss=cross_entropy")
    return pairs.steady(recognition_step(size) if "lite2" in size.network else learner_step(size))


def ways_of(size: Size, torch_python: str | None, forms: Sequence[str]) -> dict[str, list[str]]:
    """Commands of the processes that take turns, by the name of the way."""
    ours = [OURS, PADDLE, DEFAULTS]
    if size.settings in (PERCEPTUAL, AGREEMENT):
        ours = [OURS, OURS + WITHOUT, PADDLE, PADDLE + WITHOUT]
    key = next(key for key, other in SIZES.items() if other == size)
    commands = {name: [sys.executable, __file__, "--serve", name, "--only", key] for name in [*ours, PRODUCT]}
    if torch_python and size.in_torch:
        script = str(Path(__file__).with_name("torch_steps.py"))
        shape = [size.network, str(size.width), str(size.side), str(size.batch)]
        commands |= {name: [torch_python, script, *shape, TORCH[name]] for name in forms}
    return commands


def measure(size: Size, commands: dict[str, list[str]], rounds: int) -> None:
    """Let all ways of one size take turns and print what was found."""
    from oldrestore import runtime

    threads = os.environ.get("OMP_NUM_THREADS", str(runtime.physical_cores()))
    with ExitStack() as stack:
        ways = {}
        for name, command in commands.items():
            environment = {} if name.startswith(DEFAULTS) else {"OMP_NUM_THREADS": threads}
            way = stack.enter_context(pairs.standing(command, environment))
            try:
                way()
            except ValueError:
                print(f"{name}: left out, since it fails here", flush=True)
            else:
                ways[name] = way
        seconds = pairs.alternate(ways, rounds, warm_up=0)
    print(f"\n{next(key for key, other in SIZES.items() if other == size)}: {size}")
    products = seconds.pop(PRODUCT)
    for name, found in seconds.items():
        compared = name != OURS and WITHOUT not in name
        ratio = f"   ours is {pairs.times_faster(seconds, OURS, name)} as fast" if compared else ""
        print(f"  {name:<24}{statistics.median(found):8.3f} s a step{ratio}")
    for name in (OURS, PADDLE):
        if name + WITHOUT in seconds:
            print(f"  {name}: a step with the loss takes {pairs.times_faster(seconds, name + WITHOUT, name)} as long")
    peak = 2 * MATRIX_SIDE**3 / min(products)
    counted = operations(size)
    share = f"; ours reaches {counted / statistics.median(seconds[OURS]) / peak:.0%} of it" if counted else ""
    print(f"  matrix product {peak / 1e9:.0f} GFLOP/s{share}", flush=True)


def main() -> None:
    """Measure all sizes, or be one of the processes that take turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES), help="some sizes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python that has PyTorch; this one where it has it")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes minutes")
    parser.add_argument("--serve", metavar="WAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        pairs.serve(way_in_this_process(options.serve, SIZES[options.only[0]]))
        return
    torch_python = options.torch or (sys.executable if find_spec("torch") else None)
    print(pairs.machine())
    if torch_python is None:
        print("PyTorch is not installed here and --torch names no Python that has it: left out")
    forms = [name for name, form in TORCH.items() if not (options.no_compile and form == "compiled")]
    for size in (SIZES[key] for key in options.only):
        measure(size, ways_of(size, torch_python, forms), options.rounds)


if __name__ == "__main__":
    main()
