"""What a training step costs by image size and batch: seconds, peak memory, and the exponents fitted to them.

    python benchmarks/scaling.py [--width 0.5] [--rounds 3]

Each point is a fresh process. Memory is the peak of the resident set during the steps over what was in use before the
first, so gradients and Adam's moments are in it.
The exponent of the seconds is the slope of a straight line through the logarithms (least squares) with its standard
error: it would be 2 against the side and 1 against the batch for a cost that is that of the pixels. Memory has a part
that no photograph adds to, so a line is fitted to it as it stands, against the pixels of a batch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

import pairs

SIDES = (64, 96, 128, 176, 224)
BATCHES = (1, 2, 4, 8, 16)
BATCH_OF_SIDES, SIDE_OF_BATCHES = 4, 96
MEGABYTE = 2**20


def measure(width: float, side: int, batch: int, rounds: int) -> dict[str, float]:
    """Seconds of a step (median) and extra memory of some, in this process."""
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    import numpy as np
    import paddle

    from oldrestore.config.compose import compose_config
    from oldrestore.run.components import build_components

    crops = [f"dataset.crops.crop={side}", f"dataset.crops.size={side}"]
    components = build_components(compose_config([f"model.width={width}", "evaluation.judged=null", *crops]))
    rng = np.random.default_rng(0)
    rgb = paddle.to_tensor(rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8))
    names = tuple(str(number) for number in range(batch))

    def step() -> None:
        float(components.learner.step([components.inputs(rgb, names, rng)], 0)["loss"])

    seconds: list[float] = []

    def steps() -> None:
        step()
        seconds.extend(pairs.timed(step)() for _ in range(rounds))

    return {"bytes": pairs.peak_memory(steps), "seconds": statistics.median(seconds)}


def in_a_process(width: float, side: int, batch: int, rounds: int) -> dict[str, float]:
    """Measure one point in a process of its own."""
    command = [sys.executable, __file__, "--one", str(side), str(batch), "--width", str(width), "--rounds", str(rounds)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ).stdout
    return json.loads(printed.splitlines()[-1])


def show(what: str, places: tuple[int, ...], found: list[dict[str, float]], per_photo: list[float]) -> None:
    """Print points and the exponents through them."""
    import numpy as np
    from scipy.stats import linregress

    print(f"\n{what:>6}{'s a step':>11}{'ms a photograph':>18}{'extra MB':>11}")
    for place, point, each in zip(places, found, per_photo, strict=True):
        print(f"{place:>6}{point['seconds']:>11.3f}{each * 1e3:>18.1f}{point['bytes'] / MEGABYTE:>11.0f}")
    line = linregress(np.log(places), np.log([point["seconds"] for point in found]))
    print(f"seconds grow as {what}^{line.slope:.2f} (standard error {line.stderr:.2f}, n={len(places)})")
    pixels = [place**2 * BATCH_OF_SIDES if what == "side" else place * SIDE_OF_BATCHES**2 for place in places]
    line = linregress(np.array(pixels) / 1e6, [point["bytes"] / MEGABYTE for point in found])
    print(
        f"memory is {line.intercept:.0f} MB and {line.slope:.0f} MB a megapixel (r {line.rvalue:.3f}, n={len(places)})"
    )


def main() -> None:
    """Measure all points, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, type=int, metavar=("SIDE", "BATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.width, *options.one, options.rounds)))
        return
    print(pairs.machine())
    side = f"{SIDE_OF_BATCHES} x {SIDE_OF_BATCHES}"
    print(f"eccv16, width {options.width}; sides at batch {BATCH_OF_SIDES}, batches at {side}")
    sides = [in_a_process(options.width, side, BATCH_OF_SIDES, options.rounds) for side in SIDES]
    show("side", SIDES, sides, [point["seconds"] / BATCH_OF_SIDES for point in sides])
    batches = [in_a_process(options.width, SIDE_OF_BATCHES, batch, options.rounds) for batch in BATCHES]
    show("batch", BATCHES, batches, [p["seconds"] / batch for p, batch in zip(batches, BATCHES, strict=True)])


if __name__ == "__main__":
    main()
