"""The results of a sweep: a row for each job, and one for each setting with mean and spread over its seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.evaluation.baseline_scores import figures_of
from oldrestore.evaluation.metric_table import directions, metric_of, shown_in
from oldrestore.files import sha256_of, write_atomically
from oldrestore.plain import decode_float, plain
from oldrestore.records.run import read_baselines
from oldrestore.sweeps.ledger import Entry, status_of
from oldrestore.tables import csv_table


@dataclass(frozen=True)
class Spread:
    """One metric over the seeds of a setting; `deviation` is the sample's (n - 1), None for one seed."""

    mean: float
    deviation: float | None

    def in_words(self) -> str:
        """Return it as a cell."""
        return f"{self.mean:.4f}" + ("" if self.deviation is None else f" ± {self.deviation:.4f}")


@dataclass(frozen=True)
class Row:
    """One setting: the seeds that are done, and the number of jobs that were requested."""

    settings: dict[str, str]
    seeds: list[int]
    jobs: int
    metrics: dict[str, Spread]


@dataclass(frozen=True)
class Summary:
    """All jobs of a sweep with their final metrics, and all settings.

    `monitor` is the metric that chooses checkpoints; `kept` says what changed in the code of which done jobs.
    """

    jobs: list[tuple[Entry, dict[str, float]]]
    rows: list[Row]
    monitor: str
    kept: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)  # what needs no network, measured alike

    def shown(self) -> list[str]:
        """Metrics of the printed table, the one that chooses checkpoints first; files have all."""
        measured = {name for row in self.rows for name in row.metrics}
        wanted = dict.fromkeys([self.monitor, *(metric.key for metric in shown_in("sweep", measured))])
        return [name for name in wanted if name in measured]

    def directions(self) -> str:
        """Say which way each metric of the printed table is better."""
        rows = [(name, metric_of(*name.split("/", 1))) for name in self.shown()]
        return directions((name, metric.unit, metric.better.way) for name, metric in rows if metric is not None)

    def job_rows(self) -> list[dict[str, Any]]:
        """One flat row for each job: what varies, state and reason, and every metric."""
        return [
            {
                **entry.settings,
                "seed": entry.seed,
                "state": entry.state,
                "reason": entry.reason,
                "run_id": entry.run_id,
                "folder": entry.folder,
                "log": entry.log,
                "attempts": entry.attempts,
                "code": self.kept.get(entry.key),
                **values,
            }
            for entry, values in self.jobs
        ]

    def setting_rows(self) -> list[dict[str, Any]]:
        """One flat row for each setting: number of seeds, and mean and deviation of every metric."""
        return [
            {
                **row.settings,
                "n": len(row.seeds),
                "jobs": row.jobs,
                **{name: spread.mean for name, spread in row.metrics.items()},
                **{f"{name} deviation": spread.deviation for name, spread in row.metrics.items()},
            }
            for row in self.rows
        ]

    def kept_in_words(self) -> list[str]:
        """Say which jobs count although their code changed, one sentence for each change."""
        named: dict[str, list[str]] = {}
        for entry, _ in self.jobs:
            if entry.key in self.kept:
                named.setdefault(self.kept[entry.key], []).append(entry.in_words())
        return [f"kept although {why}: {'; '.join(jobs)}" for why, jobs in named.items()]

    def write(self, folder: Path) -> None:
        """Write ``jobs.csv`` and ``summary.csv``."""
        write_atomically(folder / "jobs.csv", csv_table(plain(self.job_rows())))
        write_atomically(folder / "summary.csv", csv_table(plain(self.setting_rows())))


def summarise(entries: Sequence[Entry], monitor: str, kept: Mapping[str, str] | None = None) -> Summary:
    """Read what the jobs of a sweep measured, and group those that differ only in the seed."""
    jobs = [(entry, results_of(entry.folder if entry.state == "done" else None)) for entry in entries]
    groups: dict[str, list[tuple[Entry, dict[str, float]]]] = {}
    for entry, values in jobs:
        groups.setdefault(entry.identity, []).append((entry, values))
    rows = []
    for members in groups.values():
        done = [(entry, values) for entry, values in members if entry.state == "done"]
        names = list(dict.fromkeys(name for _, values in done for name in values))
        metrics = {name: spread([values[name] for _, values in done if name in values]) for name in names}
        rows.append(Row(members[0][0].settings, sorted(entry.seed for entry, _ in done), len(members), metrics))
    return Summary(jobs, rows, monitor, dict(kept or {}), baselines_of_jobs([entry for entry, _ in jobs]))


def baselines_of_jobs(entries: Sequence[Entry]) -> dict[str, dict[str, float]]:
    """Return the figures of what needs no network, if all jobs that measured them have the same."""
    files = [Path(entry.folder) / "baselines.csv" for entry in entries if entry.state == "done" and entry.folder]
    files = [file for file in files if file.is_file()]
    if len({sha256_of(file) for file in files}) != 1:
        return {}
    return figures_of(read_baselines(files[0]))


def results_of(folder: Path | str | None) -> dict[str, float]:
    """Return a run's final metrics; empty if it has none."""
    summary = status_of(folder).get("summary") or {}
    return {name: decode_float(value) for name, value in summary.items()}


def spread(values: Sequence[float]) -> Spread:
    """Return mean and sample standard deviation; NaN if one of the values is not finite."""
    several = len(values) > 1
    if not all(math.isfinite(value) for value in values):
        return Spread(math.nan, math.nan if several else None)
    return Spread(statistics.fmean(values), statistics.stdev(values) if several else None)
