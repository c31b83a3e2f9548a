"""Compares two runs value by value: scalars, scores of single images, accuracy tables and weights."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.evaluation.metric_table import OF_VALIDATION
from oldrestore.plain import plain
from oldrestore.records.run import Run

NETWORK = ("model.", "ema.")
PER_IMAGE = "per_image/"
Key = tuple[int, str, str]  # iteration, metric, image or row


@dataclass(frozen=True)
class Difference:
    """A value that is not the same; None if one of the runs lacks it."""

    iteration: int
    metric: str
    of: str
    old: float | None
    new: float | None

    def in_words(self) -> str:
        """Say it as the end of a sentence."""
        where = f" of {self.of}" if self.of else ""
        old, new = ("not there" if value is None else repr(value) for value in (self.old, self.new))
        return f"{self.metric}{where} was {old} and is {new}"


@dataclass(frozen=True)
class MetricComparison:
    """One metric over a whole run."""

    name: str
    points: int  # values that both runs have
    differing: int  # those that differ in any bit
    largest: float  # difference
    relative: float  # the largest difference in units of the metric's largest value in the old run
    only_one: int = 0  # values that only one of the runs has


@dataclass(frozen=True)
class WeightsComparison:
    """Two sets of weights; `relative` is in units of the largest value of each tensor."""

    checkpoint: str
    tensors: int
    differing: int
    largest: float
    relative: float
    worst: str | None


@dataclass(frozen=True)
class Comparison:
    """Two runs compared."""

    metrics: list[MetricComparison]
    first: Difference | None  # in the order of training
    beyond: Difference | None  # the first difference beyond the tolerance
    tolerance: float
    weights: list[WeightsComparison] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)  # what could not be compared, and why

    @property
    def verdict(self) -> str:
        """``identical``, ``within tolerance`` or ``differs``."""
        if self.first is None and all(weights.differing == 0 for weights in self.weights):
            return "identical"
        if self.beyond is None and all(weights.relative <= self.tolerance for weights in self.weights):
            return "within tolerance"
        return "differs"

    def in_words(self) -> str:
        """Return the verdict as a sentence."""
        if self.verdict == "identical":
            points = sum(metric.points for metric in self.metrics)
            tensors = sum(weights.tensors for weights in self.weights)
            values = f"{points} values of {len(self.metrics)} metrics"
            if not self.weights:
                return f"identical: {values}, bit for bit; no weights were compared"
            return f"identical: {values} and {tensors} tensors, bit for bit"
        if self.verdict == "within tolerance":
            worst = max(self.metrics, key=lambda metric: metric.relative)
            words = f"within tolerance {self.tolerance:g}: at most {worst.relative:.2g} ({worst.name})"
            if self.weights:
                words += f", weights {max(weights.relative for weights in self.weights):.2g}"
            return words + (f"; the first difference is at iteration {self.first.iteration}" if self.first else "")
        if self.beyond is None and self.first is None:
            worst_weights = max(self.weights, key=lambda weights: weights.relative)
            return f"differs in the weights: {worst_weights.worst} by up to {worst_weights.largest:.3g}"
        found = self.first or self.beyond
        words = f"differs at iteration {found.iteration}: {found.in_words()}"
        if self.beyond is not None and self.beyond != found:
            words += f"; beyond the tolerance {self.tolerance:g} from iteration {self.beyond.iteration} on"
        return words


def read_records(folder: Path) -> dict[Key, float]:
    """Return every value that a run recorded, except times, in the order of training."""
    records: dict[Key, float] = {}
    for name, curve in Run(folder).curves.items():
        if not name.startswith("time/"):
            for iteration, value in zip(curve.iterations.tolist(), curve.values.tolist(), strict=True):
                records[iteration, name, ""] = value
    for row in Run(folder).per_image_rows:
        if row["value"] is not None:
            records[row["trained_iterations"], f"{PER_IMAGE}{row['set']}/{row['metric']}", row["image"]] = row["value"]
    for row in Run(folder).accuracy_rows:
        at = f"the first {row['iteration']}"
        for name, value in row.items():
            if name not in ("trained_iterations", "iteration") and value is not None:
                records[row["trained_iterations"], f"accuracy/{name}", at] = float(value)
    return dict(sorted(records.items(), key=lambda item: item[0][0]))


def measured_since(old: Mapping[Key, float], new: Mapping[Key, float]) -> list[str]:
    """Return the metrics of colour that the table has got since the old run, which measured others of the table."""
    of_table = {f"{place}val/{metric.name}" for metric in OF_VALIDATION for place in ("", PER_IMAGE)}
    before, now = ({name for _, name, _ in records} & of_table for records in (old, new))
    return sorted(now - before) if before else []


def compare_records(
    old: Mapping[Key, float],
    new: Mapping[Key, float],
    tolerance: float,
    until: int | None = None,
    loose: Collection[int] = (),
) -> Comparison:
    """Compare the records (`read_records`) of two runs, up to the iteration `until`.

    Values may differ by the share `tolerance` of their metric's largest absolute value in the old run. At the `loose`
    iterations only one run may have values, since it ended or was validated there.
    """
    names: dict[str, list[tuple[Key, float | None, float | None]]] = {}
    for key in dict.fromkeys((*old, *new)):
        iteration, name, _ = key
        if until is not None and iteration > until:
            continue
        ours, theirs = old.get(key), new.get(key)
        if (ours is None or theirs is None) and iteration in loose:
            continue
        names.setdefault(name, []).append((key, ours, theirs))
    metrics, every, intolerable = [], [], []
    for name, values in names.items():
        comparison, differences = _compare_metric(name, values, tolerance)
        metrics.append(comparison)
        every += [difference for difference, _ in differences]
        intolerable += [difference for difference, is_beyond in differences if is_beyond]
    first, beyond = (min(some, key=lambda one: one.iteration, default=None) for some in (every, intolerable))
    return Comparison(metrics, first, beyond, tolerance)


def _compare_metric(
    name: str, values: list[tuple[Key, float | None, float | None]], tolerance: float
) -> tuple[MetricComparison, list[tuple[Difference, bool]]]:
    finite = [abs(old) for _, old, _ in values if old is not None and math.isfinite(old)]
    scale = max(finite, default=0.0)
    differences, largest, relative, points, only_one = [], 0.0, 0.0, 0, 0
    for (iteration, _, of), old, new in values:
        if old is None or new is None:
            only_one += 1
            differences.append((Difference(iteration, name, of, old, new), True))
            continue
        points += 1
        if old == new or (math.isnan(old) and math.isnan(new)):
            continue
        distance = abs(new - old) if math.isfinite(old) and math.isfinite(new) else math.inf
        share = distance / scale if scale > 0 else math.inf
        largest, relative = max(largest, distance), max(relative, share)
        differences.append((Difference(iteration, name, of, old, new), share > tolerance))
    return MetricComparison(name, points, len(differences) - only_one, largest, relative, only_one), differences


def compare_weights(checkpoint: str, old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray]) -> WeightsComparison:
    """Compare the tensors of two checkpoints; a missing one, or one of another shape, is infinitely far."""
    differing, largest, relative, worst = 0, 0.0, 0.0, None
    names = sorted(old.keys() | new.keys())
    for name in names:
        ours, theirs = old.get(name), new.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            distance = share = math.inf
        elif ours.tobytes() == theirs.tobytes():
            continue
        else:
            # Differences beyond what a float64 holds do not occur; NaN against a number is infinitely far.
            exact, other = ours.astype(np.float64), theirs.astype(np.float64)
            distance = float(np.max(np.abs(other - exact)))
            distance = distance if math.isfinite(distance) else math.inf
            scale = float(np.max(np.abs(exact)))
            share = distance / scale if scale > 0 else (0.0 if distance == 0 else math.inf)
        differing += 1
        if worst is None or share > relative:
            worst = name
        largest, relative = max(largest, distance), max(relative, share)
    return WeightsComparison(checkpoint, len(names), differing, largest, relative, worst)


def network_tensors(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights among a checkpoint's tensors, without the optimizer's state."""
    return {name: value for name, value in tensors.items() if name.startswith(NETWORK)}


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values."""
    return plain(asdict(comparison) | {"verdict": comparison.verdict, "in_words": comparison.in_words()})
