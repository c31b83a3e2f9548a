"""How long commands take before they do their work, beside what Python itself takes, in turns.

    python benchmarks/start_up.py [--rounds N] [--train] [--json]

``--help``, ``runs`` on an empty folder and on 20 run folders, and with ``--train`` the time from the command to
iteration 0 of ``train`` on the default photographs (the second of two runs, so that its caches are warm). Each is a
process of its own; ``python -c pass`` is measured in turns with them, so that a machine that is busy with other things
can be told from a command that is slow.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from pairs import alternate, machine, timed, times_faster

ENTRY = "from oldrestore.cli import main; import sys; sys.exit(main())"
LIMITS = {"--help": 0.3, "runs": 1.0, "runs, 20 of them": 1.0}
TRAIN_LIMIT = 15.0
LONGEST = 300.0  # seconds that a training is waited for


def command(*arguments: str) -> list[str]:
    """Start a verb as the installed script does."""
    return [sys.executable, "-c", ENTRY, *arguments]


def quietly(arguments: list[str]) -> None:
    """Run to the end."""
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def make_runs(outputs: Path, count: int) -> None:
    """Folders as `train` leaves them, as far as a listing reads them."""
    for number in range(count):
        folder = outputs / "benchmark" / f"20260101-0000{number:02}-{number:010x}"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(f"experiment: benchmark\nseed: {number}\nmodel:\n  width: 1.0\n")
        (folder / "status.json").write_text('{"state": "finished"}')
        (folder / "metrics.jsonl").write_text('{"iteration": 0, "time": 0.0, "name": "val/loss", "value": 1.5}\n')


def seconds_to_iteration_0(folder: Path) -> float:
    """Start a training as users do, and end it when its first metric is written."""
    outputs = folder / "outputs"
    before = set(outputs.glob("*/*/metrics.jsonl"))
    began = time.perf_counter()
    process = subprocess.Popen(
        command("train", f"outputs={outputs}", "model.width=0.25", "trainer.log_every=1", "trainer.evaluate_every=100"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while time.perf_counter() - began < LONGEST and process.poll() is None:
            files = set(outputs.glob("*/*/metrics.jsonl")) - before
            if any(file.stat().st_size for file in files):
                return time.perf_counter() - began
            time.sleep(0.02)
        raise SystemExit("the training did not come to iteration 0")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    """Measure, and say what is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--train", action="store_true", help="measure train too: a minute or two")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oldrestore-benchmark-") as name:
        folder = Path(name)
        (folder / "empty").mkdir()
        make_runs(folder / "some", 20)
        ways = {
            "python": timed(lambda: quietly([sys.executable, "-c", "pass"])),
            "--help": timed(lambda: quietly(command("--help"))),
            "runs": timed(lambda: quietly(command("runs", f"outputs={folder / 'empty'}"))),
            "runs, 20 of them": timed(lambda: quietly(command("runs", f"outputs={folder / 'some'}"))),
        }
        seconds = alternate(ways, options.rounds)
        if options.train:
            seconds_to_iteration_0(folder)
            seconds["train"] = [seconds_to_iteration_0(folder)]
    medians = {way: statistics.median(times) for way, times in seconds.items()}
    if options.json:
        ratios = {way: asdict(times_faster(seconds, "python", way)) for way in LIMITS}
        print(json.dumps({"machine": machine(), "seconds": seconds, "over_python": ratios}, indent=1))
        return
    print(machine())
    for way, times in seconds.items():
        limit = TRAIN_LIMIT if way == "train" else LIMITS.get(way)
        said = "" if limit is None else f"  limit {limit:g} s: {'within' if medians[way] < limit else 'over'}"
        over = f"  {times_faster(seconds, 'python', way)} of python's" if way in LIMITS else ""
        print(f"{way:18}{medians[way]:7.3f} s ({min(times):.3f}..{max(times):.3f}){said}{over}")


if __name__ == "__main__":
    main()
