"""What tracking costs: the processor time of recording an iteration, as a share of a quickstart's training step.

    python benchmarks/trackers.py [--iterations 3000] [--rounds 3]

Training steps of the quickstart and the recording of as many iterations take turns in one process, with no sink, and
with MLflow and VisualDL as they are by default. What is recorded is what the loop records: the loss, its terms and the
learning rate of each iteration, and three figures with each hundredth. The time counted is that of all threads, so
what sinks do beside the training is in it; starting and finishing a run is counted apart, once a run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pairs

STEPS = 5  # training steps measured in each round


def make_step() -> Callable[[], None]:
    """A training step of the quickstart, on photographs of noise."""
    import numpy as np
    import paddle

    from oldrestore.config.compose import compose_config
    from oldrestore.run.components import build_components

    config = compose_config(["experiments=quickstart", "evaluation.judged=null"])
    components = build_components(config)
    rng = np.random.default_rng(0)
    side, batch = components.source.crops.crop, config.trainer.batch_size
    rgb = paddle.to_tensor(rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8))
    names = tuple(str(number) for number in range(batch))
    return lambda: float(components.learner.step([components.inputs(rgb, names, rng)], 0)["loss"])


def record(sinks: dict, iterations: int) -> float:
    """Seconds of processor time of a recorded run, from its start to the end of everything its sinks do."""
    from oldrestore.records.run_folder import RunFolder
    from oldrestore.tracking.protocol import RunInfo
    from oldrestore.tracking.tracker import Trackers

    with tempfile.TemporaryDirectory() as scratch:
        outputs = Path(scratch)
        began = time.process_time()
        folder = RunFolder.create(outputs, "benchmark", "run")
        trackers = Trackers(folder, sinks)
        trackers.start(RunInfo(folder.path, outputs, "run", "benchmark", {"seed": 0}, "seed: 0\n"))
        for iteration in range(iterations):
            folder.scalars(iteration, {"train/loss": 1.0 / (1 + iteration), "train/learning_rate": 5e-4})
            if iteration % 100 == 99:
                rates = {"time/images_per_second": 90.0, "time/data_wait_share": 0.01}
                folder.scalars(iteration + 1, {"train/avg_loss": 1.0, **rates})
        trackers.finish("finished", None, {"val/loss": 1.0})
        return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    from oldrestore.tracking.mlflow_sink import MLflowSink
    from oldrestore.tracking.visualdl_sink import VisualDLSink

    step = make_step()
    ends: dict[str, list[float]] = {"folder": [], "all": []}

    def steps() -> float:
        began = time.process_time()
        for _ in range(STEPS):
            step()
        return (time.process_time() - began) / STEPS

    def recording(name: str, make_sinks: Callable[[], dict]) -> pairs.Way:
        def way() -> float:
            # What a run without iterations takes is its start and end.
            whole, once = record(make_sinks(), options.iterations), record(make_sinks(), 0)
            ends[name].append(once)
            return (whole - once) / options.iterations

        return way

    seconds = pairs.alternate(
        {
            "step": steps,
            "folder": recording("folder", dict),
            "all": recording("all", lambda: {"mlflow": MLflowSink(), "visualdl": VisualDLSink()}),
        },
        options.rounds,
    )
    print(pairs.machine())
    middle = options.rounds // 2
    print(f"a training step of the quickstart {sorted(seconds['step'])[middle] * 1e3:.0f} ms of processor time")
    for name, what in (("folder", "the run folder alone"), ("all", "the run folder, MLflow and VisualDL")):
        shares = sorted(cost / one for cost, one in zip(seconds[name], seconds["step"], strict=True))
        cost, once = sorted(seconds[name])[middle] * 1e3, sorted(ends[name])[middle]
        print(
            f"{what}: {cost:.2f} ms an iteration, {shares[middle]:.2%} of a step "
            f"({shares[0]:.2%}..{shares[-1]:.2%}, n={options.rounds}); start and end of a run {once:.2f} s"
        )


if __name__ == "__main__":
    main()
