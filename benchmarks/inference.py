"""Predicting the colour of a 256 x 256 photograph: Paddle's defaults, ours, and PyTorch, taking turns in one run.

    python benchmarks/inference.py [--networks eccv16 siggraph17 lite_unet] [--torch PYTHON] [--rounds N] [--json]

Each way has a process of its own that stays, so that each has its own environment and all meet the same machine:

- paddle: the network in Paddle's dynamic mode with its own defaults: without the environment that
  `oldrestore.runtime.prepare` sets, and with the one thread that Paddle takes where ``OMP_NUM_THREADS`` is not set;
- paddle, threads: the same with as many threads as the others, where these are more than one;
- dynamic: the same with that environment (``colorize --dynamic``);
- float32: Paddle Inference with oneDNN, as ``oldrestore colorize`` runs it;
- bfloat16: the same with ``--half``, where the processor has bfloat16. For lite_unet that is float32 again: in bfloat16
  its colours are too far off, and ``--half`` leaves it out;
- torch: the same layers in PyTorch's eager mode, where ``--torch`` names a Python that has it: contiguous and channels
  last in float32, and channels last in bfloat16. ``lite_unet`` has no such form here.

A way begins with lightness and ends with the network's colour, float32, decoded. All but the first have the same
number of threads (``OMP_NUM_THREADS``; all cores where it is not set). Networks have their full width; eccv16 and
siggraph17 have random weights whose answers are as strong as a trained network's, lite_unet the shipped ones. PSNR is
that of the photograph (scikit-image's ``coffee``) in the colours of bfloat16 against float32, dB. Everything is
prepared before the first round, and ratios are those of pairs within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pairs import alternate, machine, serve, standing, timed, times_faster

SIDE = 256
NETWORKS = ("eccv16", "siggraph17", "lite_unet")
OURS = ("paddle", "paddle, threads", "dynamic", "float32", "bfloat16")
UNTUNED = OURS[:2]
TORCH = ("contiguous", "channels_last", "bfloat16")
STRENGTH = {"eccv16": 2.0, "siggraph17": 0.25}  # standard deviation of logits, and of what goes into tanh


def network_and_lightness(name: str, folder: Path) -> tuple[Any, Any]:
    """The network with its weights file, and the photograph's lightness (256, 256)."""
    import numpy as np
    from PIL import Image

    from oldrestore.color.lab import rgb_to_lightness
    from oldrestore.data.packages.installed import package_folder
    from oldrestore.engines.chosen_network import network_of_file, released_network

    photograph = Image.open(package_folder("skimage", "data") / "coffee.png").convert("RGB").resize((SIDE, SIDE))
    L_hw = rgb_to_lightness(np.asarray(photograph))
    if name == "lite_unet":
        return released_network(name), L_hw
    file = folder / f"{name}.safetensors"
    if not file.exists():
        make_weights(name, file, L_hw)
    return network_of_file(file), L_hw


def make_weights(name: str, file: Path, L_hw: Any) -> None:
    """Random weights with an answer as strong as a trained network's."""
    import paddle
    from paddle import nn

    from oldrestore.config.build import build
    from oldrestore.config.compose import compose_config
    from oldrestore.models.weights import WeightsHeader, save_weights

    paddle.seed(0)
    network = build(compose_config([f"model={name}"]).model)
    network.eval()
    head = network.model8[6] if name == "eccv16" else network.model_out[0]
    nn.initializer.Normal()(head.weight)
    answers = []
    head.register_forward_post_hook(lambda layer, given, answer: answers.append(float(answer.std())))
    with paddle.no_grad():
        network(paddle.to_tensor(L_hw[None, None]))
    head.weight.set_value(head.weight * (STRENGTH[name] / answers[0]))
    save_weights(file, {key: value.numpy() for key, value in network.state_dict().items()}, WeightsHeader(name, {}))


def predictor(name: str, way: str, folder: Path) -> Any:
    """A function that predicts the photograph's colour once, float32 (2, h, w)."""
    import paddle

    from oldrestore.engines.fast_network import Running

    chosen, L_hw = network_and_lightness(name, folder)
    paddle.set_device("cpu")
    network = Running(half=way == "bfloat16", dynamic=way in (*UNTUNED, "dynamic")).network(chosen)

    def predict() -> Any:
        with paddle.no_grad():
            return network.decode(network(paddle.to_tensor(L_hw[None, None]))).numpy()[0]

    return predict


def prepare(name: str, folder: Path) -> dict[str, float]:
    """Make weights and exports, and compare what float32 and bfloat16 give with the network's own colour."""
    import numpy as np

    from oldrestore import runtime
    from oldrestore.color.joining import interpolated_rows
    from oldrestore.evaluation.prediction import recolor_rows

    _, L_hw = network_and_lightness(name, folder)
    ways = ("dynamic", "float32", "bfloat16") if runtime.has_bfloat16() else ("dynamic", "float32")
    colors = {way: predictor(name, way, folder)() for way in ways}
    photographs = {
        way: recolor_rows(L_hw, interpolated_rows(ab.transpose(1, 2, 0), L_hw.shape)).astype(float)
        for way, ab in colors.items()
    }
    found = {
        "colour, standard deviation": float(colors["dynamic"].std()),
        "float32 from the network, largest": float(np.abs(colors["float32"] - colors["dynamic"]).max()),
    }
    if "bfloat16" in ways:
        error = np.mean((photographs["bfloat16"] - photographs["float32"]) ** 2)
        found["bfloat16, PSNR"] = float(10 * np.log10(255.0**2 / max(error, 1e-12)))
    return found


def in_a_process(way: str, *arguments: str, environment: dict[str, str]) -> str:
    """Run this file; returns the last line that it printed."""
    command = [sys.executable, __file__, way, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    return done.stdout.splitlines()[-1]


def compare(name: str, folder: Path, torch: str | None, rounds: int, environment: dict[str, str]) -> dict[str, Any]:
    """Measure a network every way, in turns."""
    facts = json.loads(in_a_process("--prepare", name, str(folder), environment=environment))
    alone = environment["OMP_NUM_THREADS"] == "1"
    left_out = {"paddle, threads"} if alone else set()
    left_out |= set() if "bfloat16, PSNR" in facts else {"bfloat16"}
    ours = [way for way in OURS if way not in left_out]
    commands = {way: [sys.executable, __file__, "--serve", name, way, str(folder)] for way in ours}
    if torch and name in STRENGTH:
        forms = [form for form in TORCH if form != "bfloat16" or "bfloat16" in ours]
        script = str(Path(__file__).with_name("inference_torch.py"))
        commands |= {f"torch, {form}": [torch, script, name, form, str(SIDE)] for form in forms}
    with ExitStack() as stack:
        ways = {}
        for way, command in commands.items():
            threads = {"OMP_NUM_THREADS": "1"} if way == "paddle" else {}
            ways[way] = stack.enter_context(standing(command, environment | threads))
        seconds = alternate(ways, rounds, warm_up=2)
    ratios = {}
    for fast, slow in pairs_of(commands):
        ratio = times_faster(seconds, fast, slow)
        ratios[f"{fast} over {slow}"] = asdict(ratio)
        ratios[f"{fast} over {slow}"]["text"] = str(ratio)
    return {"facts": facts, "seconds": seconds, "ratios": ratios}


def pairs_of(ways: Iterable[str]) -> list[tuple[str, str]]:
    """What is compared with what, of the ways that there are."""
    asked = [("float32", way) for way in OURS[:3]] + [("bfloat16", "float32")]
    asked += [("float32", f"torch, {form}") for form in TORCH[:2]] + [("bfloat16", "torch, bfloat16")]
    return [(fast, slow) for fast, slow in asked if fast in ways and slow in ways]


def show(name: str, found: dict[str, Any]) -> None:
    """Print a network's tables."""
    print(f"\n{name}, {SIDE} x {SIDE}")
    for way, seconds in found["seconds"].items():
        middle = sorted(seconds)[len(seconds) // 2]
        print(f"  {way:22}{1e3 * middle:8.0f} ms  ({1e3 * min(seconds):.0f}..{1e3 * max(seconds):.0f})")
    for what, ratio in found["ratios"].items():
        print(f"  {what:42}{ratio['text']}")
    for what, value in found["facts"].items():
        print(f"  {what:42}{value:.4g}", flush=True)


def main() -> None:
    """Measure all, or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python that has torch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--prepare", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare or options.serve:
        be_one(options)
        return
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(len(os.sched_getaffinity(0)))}
    if not options.json:
        print(f"{machine()}; threads of each way: {environment['OMP_NUM_THREADS']}")
    results = {}
    with tempfile.TemporaryDirectory(prefix="oldrestore-benchmark-") as folder:
        environment["OLDRESTORE_CACHE"] = f"{folder}/cache"
        for name in options.networks:
            found = results[name] = compare(name, Path(folder), options.torch, options.rounds, environment)
            if not options.json:
                show(name, found)
    if options.json:
        print(json.dumps(results, indent=1))


def be_one(options: argparse.Namespace) -> None:
    """Prepare a network, or time one way for each line that comes in."""
    from oldrestore import runtime

    if options.prepare:
        runtime.prepare()
        runtime.quiet_import_of_paddle()
        print(json.dumps(prepare(options.prepare[0], Path(options.prepare[1]))))
        return
    name, way, folder = options.serve
    if way not in UNTUNED:
        runtime.prepare()
    runtime.quiet_import_of_paddle()
    predict = predictor(name, way, Path(folder))
    predict()
    serve(timed(predict))


if __name__ == "__main__":
    main()
