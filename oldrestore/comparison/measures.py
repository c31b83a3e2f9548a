"""The figures of a comparison, and what each is computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oldrestore.errors import UserError
from oldrestore.records.run import Run
from oldrestore.statistics import Scored, gap_share, weighted_mean

# (set, metric) -> photograph's name -> (value, weight)
Table = Mapping[tuple[str, str], "Column"]


@dataclass(frozen=True)
class Column:
    """Scores of one metric: names of photographs, sorted, and float64 (n,) of values and of weights."""

    images: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Measure:
    """A figure.

    Attributes
    ----------
    name, heading : str
        As in JSON and CSV, and at the head of a column.
    set_name : str
        ``val``, ``judged``, or the name of an evaluator.
    metrics : tuple of str
        Of ``per_image.csv``.
    better : {"max", "min"} or None
        Which way is better; None where neither is, or nobody said.
    form : {"percent", "number"}
    make : callable
        From the columns of `metrics`, in order.
    """

    name: str
    heading: str
    set_name: str
    metrics: tuple[str, ...]
    better: Literal["max", "min"] | None
    form: Literal["percent", "number"]
    make: Callable[..., Scored]

    def of(self, table: Table) -> Scored | None:
        """Compute it of one run; None where the run has not what it takes."""
        columns = [table.get((self.set_name, metric)) for metric in self.metrics]
        if any(column is None for column in columns):
            return None
        return self.make(*columns)

    def images(self, table: Table) -> tuple[str, ...]:
        """Names of the photographs it is computed from."""
        return table[self.set_name, self.metrics[0]].images

    @property
    def is_share(self) -> bool:
        """Whether it is a share of right answers, whose interval is Wilson's."""
        return len(self.metrics) == 1 and self.metrics[0].endswith("_correct")


def _mean(column: Column) -> Scored:
    return weighted_mean(column.values, column.weights)


def _gap(ours: Column, original: Column, gray: Column) -> Scored:
    return gap_share(ours.values, original.values, gray.values)


MEASURES = (
    Measure("iter_accuracy", "iter", "judged", ("iter_correct",), "max", "percent", _mean),
    Measure("orig_accuracy", "orig", "judged", ("orig_correct",), None, "percent", _mean),
    Measure("gray_accuracy", "gray", "judged", ("gray_correct",), None, "percent", _mean),
    Measure("gap_closed", "closed", "judged", ("iter_correct", "orig_correct", "gray_correct"), "max", "percent", _gap),
    Measure("auc", "AuC", "val", ("auc",), "max", "number", _mean),
    Measure("auc_rebalanced", "AuC rebal", "val", ("auc_rebalanced",), "max", "number", _mean),
    Measure("psnr", "PSNR", "val", ("psnr",), "max", "number", _mean),
    Measure("colorfulness", "CF", "val", ("colorfulness",), None, "number", _mean),
    Measure("colorfulness_difference", "delta CF", "val", ("colorfulness_difference",), "min", "number", _mean),
)
FURTHER = (
    Measure(
        "gap_closed_probability",
        "closed p",
        "judged",
        ("iter_probability", "orig_probability", "gray_probability"),
        "max",
        "percent",
        _gap,
    ),
)
# Metrics, by how their names begin, that are not among those above.
HIGHER = ("psnr", "ssim", "auc", "f1", "iou", "precision", "recall", "bin_top", "iter_correct", "iter_probability")
LOWER = ("lpips", "ab_rmse", "rmse", "mae", "colorfulness_difference")


def table_of(run: Run) -> dict[tuple[str, str], Column]:
    """Scores of a run's last validations as arrays, by set and metric."""
    table = {}
    for key, rows in run.scores.groupby(["set", "metric"], sort=False):
        rows = rows.drop_duplicates("image", keep="last").sort_values("image")
        table[key] = Column(tuple(rows["image"]), rows["value"].to_numpy(), rows["weight"].to_numpy())
    return table


def chosen_measures(tables: Sequence[Table], names: Sequence[str] | None) -> list[Measure]:
    """Measures to show: those asked for, else those of `MEASURES` that any run has, else all there are.

    Parameters
    ----------
    tables : sequence of Table
    names : sequence of str, optional
        Names of measures, of validation metrics (``ssim``), or ``SET/METRIC``.

    Raises
    ------
    UserError
        No run has a measure that is asked for.
    """
    there = {key: None for table in tables for key in table}
    known = {measure.name: measure for measure in (*MEASURES, *FURTHER)}
    if names is None:
        usual = [m for m in MEASURES if all((m.set_name, metric) in there for metric in m.metrics)]
        return usual or [_plain(*key) for key in there]
    found = []
    for name in names:
        measure = known.get(name) or _plain(*(name.split("/", 1) if "/" in name else ("val", name)))
        if not all((measure.set_name, metric) in there for metric in measure.metrics):
            offered = [n for n, m in known.items() if all((m.set_name, x) in there for x in m.metrics)]
            offered += [f"{s}/{m}" for s, m in there if m not in offered and not m.endswith("_top1")]
            raise UserError(f"none of the runs has '{name}': choose of {', '.join(offered) or 'nothing, it seems'}")
        found.append(measure)
    return found


def _plain(set_name: str, metric: str) -> Measure:
    better = "max" if metric.startswith(HIGHER) else "min" if metric.startswith(LOWER) else None
    name = metric if set_name == "val" else f"{set_name}/{metric}"
    return Measure(name, name, set_name, (metric,), better, "number", _mean)
