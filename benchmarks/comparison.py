"""How long the statistics of a comparison take: many runs, many photographs, ten thousand resamples.

    python benchmarks/comparison.py [--runs 20] [--photographs 5000] [--resamples 10000] [--repeat 3]

The first line is the whole question for one metric: a BCa interval of each run's rebalanced AuC (a ratio of sums), and
of each difference from the best run its paired interval, its sign-flip p-value and Holm's adjustment. The others are
its parts; the last is a loop over resamples that indexes the scores of all runs with each draw, measured on a
hundredth of the resamples and multiplied. Best of the repeats, in seconds by the clock and of processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from oldrestore.statistics import Scored, compare_with, holm, resampled_values, sign_flip, weighted_mean
from oldrestore.statistics.bootstrap import bca_interval, kept_counts


def make_runs(count: int, photographs: int) -> list[Scored]:
    """Scores of a hardness that photographs share, and weights as of the rebalanced AuC."""
    rng = np.random.default_rng(0)
    hardness, weights = rng.normal(0.6, 0.1, photographs), rng.gamma(2.0, 1e5, photographs)
    scores = (hardness + 0.001 * run + rng.normal(0, 0.05, photographs) for run in range(count))
    return [weighted_mean(values, weights) for values in scores]


def everything(runs: list[Scored], resamples: int) -> None:
    best = max(runs, key=lambda run: run.value)
    for run, values in zip(runs, resampled_values(runs, resamples), strict=True):
        bca_interval(values, run.value, run.left_out)
    found = compare_with(best, [run for run in runs if run is not best], resamples, resamples)
    holm([pair.p_value for pair in found], family=len(runs) * (len(runs) - 1) // 2)


def in_a_loop(runs: list[Scored], resamples: int) -> None:
    columns, n = np.stack([run.columns_nk for run in runs], axis=1), runs[0].n
    rng = np.random.default_rng(0)
    for _ in range(resamples):
        sums = columns[rng.integers(0, n, n)].sum(axis=0)
        sums[:, 0] / sums[:, 1]


def measure(work: Callable[[], None], repeat: int) -> tuple[float, float]:
    best = (float("inf"), float("inf"))
    for _ in range(repeat):
        clock, processor = time.perf_counter(), time.process_time()
        kept_counts.cache_clear()
        work()
        best = min(best, (time.perf_counter() - clock, time.process_time() - processor))
    return best


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("runs", 20), ("photographs", 5000), ("resamples", 10_000), ("repeat", 3)):
        options.add_argument(f"--{name}", type=int, default=default)
    chosen = options.parse_args()
    runs, resamples = make_runs(chosen.runs, chosen.photographs), chosen.resamples
    few = max(1, resamples // 100)
    questions = {
        "everything": (lambda: everything(runs, resamples), 1),
        "bootstrap alone": (lambda: resampled_values(runs, resamples), 1),
        "sign flips alone": (lambda: sign_flip([(run, runs[0]) for run in runs[1:]], resamples), 1),
        "bootstrap in a loop": (lambda: in_a_loop(runs, few), resamples / few),
    }
    print(f"{chosen.runs} runs, {chosen.photographs} photographs, {resamples} resamples")
    for name, (work, times) in questions.items():
        clock, processor = measure(work, chosen.repeat)
        print(f"{name:<22}{clock * times:8.2f} s by the clock{processor * times:8.2f} s of processor time")


if __name__ == "__main__":
    main()
