"""How long `oldrestore runs` takes over a thousand run folders, beside an interpreter that only starts.

    python benchmarks/list_runs.py [--runs 1000] [--repeat 5] [--old]

Each line: the best of the repeats, in seconds by the clock and of processor time, and its ratio to the start alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from oldrestore.config.compose import compose_unchecked
from oldrestore.records.parsing import write_quick_copy

QUESTIONS = {
    "start alone": ["--version"],
    "runs": ["runs"],
    "runs --where loss.name=focal --sort val/auc": ["runs", "--where", "loss.name=focal", "--sort", "val/auc"],
    "runs --where optimizer.learning_rate<1 --sort seed": [
        "runs",
        "--where",
        "optimizer.learning_rate<1",
        "--sort",
        "seed",
    ],
}


def make_runs(outputs: Path, count: int, old: bool) -> None:
    """Write run folders with a whole configuration, 600 logged iterations, an accuracy table and a status."""
    from omegaconf import OmegaConf

    config = compose_unchecked([])
    text = OmegaConf.to_yaml(OmegaConf.create(OmegaConf.to_container(config, resolve=True, throw_on_missing=False)))
    record = {"iteration": 0, "time": 1.0, "values": {"train/loss": 4.5, "train/learning_rate": 1e-3}}
    metrics = "".join(json.dumps({**record, "iteration": i}) + "\n" for i in range(600))
    validation = json.dumps({"iteration": 600, "time": 2.0, "values": {"val/auc": 0.8, "val/psnr": 20.0}}) + "\n"
    for number in range(count):
        folder = outputs / f"experiment{number % 10}" / f"20260101-000000-{number:010d}"
        folder.mkdir(parents=True)
        status = {"state": "finished", "started": "2026-01-01T00:00:00.000Z", "summary": {"val/auc": number / count}}
        if number % 5 == 0:
            del status["summary"]  # killed: its measures are in its metrics alone
            status["state"] = "killed"
        (folder / "status.json").write_text(json.dumps(status, indent=2))
        (folder / "config.yaml").write_text(text.replace("\nseed: 0\n", f"\nseed: {number}\n"))
        (folder / "choices.yaml").write_text(f'loss: "{("focal", "l1")[number % 2]}"\nmodel: "eccv16"\n')
        (folder / "metrics.jsonl").write_text(metrics + validation)
        (folder / "accuracy.csv").write_text(
            "iteration,iter_accuracy,orig_accuracy,gray_accuracy,n\n80,0.5,0.9,0.8,80\n"
        )
        if not old:
            write_quick_copy(folder)


def measure(arguments: list[str], repeat: int) -> tuple[float, float]:
    """Return the least seconds by the clock, and of processor time, of a command."""
    clock, processor = [], []
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "oldrestore", *arguments], check=True, capture_output=True)
        clock.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(clock), min(processor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--old", action="store_true", help="folders of earlier versions, without config.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_runs(Path(folder), chosen.runs, chosen.old)
        first = None
        print(f"{'':<52}{'clock s':>9}{'processor s':>13}{'ratio':>8}")
        for name, arguments in QUESTIONS.items():
            place = [f"outputs={folder}"] if arguments[0] == "runs" else []
            clock, processor = measure([*arguments, *place], chosen.repeat)
            first = first or processor
            print(f"{name:<52}{clock:>9.2f}{processor:>13.2f}{processor / first:>8.1f}")


if __name__ == "__main__":
    main()
