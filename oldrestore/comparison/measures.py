"""The figures of a comparison, and the scores that each is computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np

from oldrestore.errors import UserError
from oldrestore.evaluation.metric_table import (
    AGREEMENT,
    ANYTHING,
    JUDGED,
    METRICS,
    Better,
    Metric,
    is_agreement,
    metric_of,
    shown_in,
)
from oldrestore.records.run import Run
from oldrestore.statistics import Scored, floor_gap_share, gap_share, weighted_mean

# (set, metric) -> photograph's name -> (value, weight)
Table = Mapping[tuple[str, str], "Column"]


VERSION = ("iter_", "orig_", "gray_")  # begin the names of a judge's scores


@dataclass(frozen=True)
class Column:
    """Scores of one metric: sorted names of photographs, and float64 (n,) values and weights."""

    images: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray
    better: Better = Better.NEITHER  # as the evaluator of a plugin says, which the table of metrics does not know


@dataclass(frozen=True)
class Measure:
    """A figure."""

    name: str  # in JSON and CSV
    heading: str  # of its column
    set_name: str  # val, judged, or the name of an evaluator
    metrics: tuple[str, ...]  # of per_image.csv
    better: Literal["max", "min"] | None  # direction; None if neither is better, or it is not known
    form: Literal["percent", "number"]
    make: Callable[..., Scored]  # from the columns of metrics, in order
    title: str = ""  # in a sentence; may be empty, like the unit
    unit: str = ""
    bounds: tuple[float, float] = ANYTHING  # what it can be

    def of(self, table: Table) -> Scored | None:
        """Compute it for one run; None if the run lacks a metric."""
        columns = [table.get((self.set_name, metric)) for metric in self.metrics]
        if any(column is None for column in columns):
            return None
        return self.make(*columns)

    def images(self, table: Table) -> tuple[str, ...]:
        """Names of the photographs it is computed from."""
        return table[self.set_name, self.metrics[0]].images

    @property
    def photographs(self) -> str:
        """Which photographs it is of: val, judged, or those of an evaluator."""
        if is_agreement(self.set_name):
            return "val"
        return JUDGED if self.metrics[0].startswith(VERSION) and self.set_name != "val" else self.set_name

    @property
    def is_share(self) -> bool:
        """Whether it is a share of correct answers, whose interval is Wilson's."""
        return len(self.metrics) == 1 and self.metrics[0].endswith("_correct")


_TABLES: WeakKeyDictionary[Run, Table] = WeakKeyDictionary()


def _mean(column: Column) -> Scored:
    return weighted_mean(column.values, column.weights)


def _gap(ours: Column, original: Column, gray: Column) -> Scored:
    return gap_share(ours.values, original.values, gray.values)


def _taken_away(ours: Column, gray: Column) -> Scored:
    """Share of a distance from the original, which is 0 for the original itself."""
    return gap_share(ours.values, np.zeros_like(ours.values), gray.values)


def _gap_from_floor(ours: Column, original: Column, *floors: Column) -> Scored:
    return floor_gap_share(ours.values, original.values, *(floor.values for floor in floors))


_MAKERS = {1: _mean, 2: _taken_away, 3: _gap, 4: _gap_from_floor}


def measure_of(metric: Metric) -> Measure:
    """Return the figure for a row of the table of metrics."""
    short = metric.family == "val" or (metric.columns and metric.family in (JUDGED, AGREEMENT))
    own = metric.name if short else metric.key
    return Measure(
        own,
        metric.short or own,
        metric.family,
        metric.columns or (metric.name,),
        metric.better.way,
        "percent" if metric.format.endswith("%") else "number",
        _MAKERS[max(1, len(metric.columns))],
        metric.title,
        metric.unit,
        metric.bounds,
    )


def table_of(run: Run) -> Table:
    """Scores of a run's last validations as arrays, by set and metric; cached."""
    if run not in _TABLES:
        table = {}
        for key, rows in run.scores.groupby(["set", "metric"], sort=False):
            rows = rows.drop_duplicates("image", keep="last").sort_values("image")
            columns = (rows["value"].to_numpy(), rows["weight"].to_numpy())
            table[key] = Column(tuple(rows["image"]), *columns, _said_by_evaluator(run, key[0]))
        _TABLES[run] = table
    return _TABLES[run]


def known_measures(available: Iterable[tuple[str, str]]) -> tuple[list[Measure], list[Measure]]:
    """Return the figures that scores (set, metric) give: those of tables in their order, and further ones of judges."""
    keys = dict.fromkeys(available)
    of_judges = [metric.name for metric in METRICS if metric.family in (JUDGED, AGREEMENT)]
    names = [f"{set_name}/{name}" for set_name in dict.fromkeys(key[0] for key in keys) for name in of_judges]
    usual = shown_in("compare", names)
    further = [m for m in (metric_of(*name.split("/")) for name in names) if m is not None and m not in usual]

    def given(metrics: Iterable[Metric]) -> list[Measure]:
        measures = map(measure_of, metrics)
        return [m for m in measures if all((m.set_name, metric) in keys for metric in m.metrics)]

    return given(usual), given(further)


def chosen_measures(tables: Sequence[Table], names: Sequence[str] | None) -> list[Measure]:
    """Return the named measures, by default those of tables that any run has, else all there are.

    Names are those of measures, of validation metrics (``ssim``), or ``SET/METRIC``; `UserError` if no run has one.
    """
    available = dict.fromkeys(key for table in tables for key in table)
    usual, further = known_measures(available)
    if names is None:
        return usual or [_plain(tables, *key) for key in available]
    named = {measure.name: measure for measure in (*usual, *further)}
    chosen = []
    for name in names:
        measure = named.get(name) or _plain(tables, *(name.split("/", 1) if "/" in name else ("val", name)))
        if not all((measure.set_name, metric) in available for metric in measure.metrics):
            offered = dict.fromkeys(
                [*named, *(f"{s}/{m}" for s, m in available if m not in named and not m.endswith("_top1"))]
            )
            raise UserError(f"none of the runs has '{name}': choose one of {', '.join(offered) or 'nothing, it seems'}")
        chosen.append(measure)
    return chosen


def _plain(tables: Sequence[Table], set_name: str, metric: str) -> Measure:
    if (known := metric_of(set_name, metric)) is not None:
        return measure_of(known)
    said = {column.better for table in tables if (column := table.get((set_name, metric))) is not None}
    better = said.pop() if len(said) == 1 else Better.NEITHER
    return measure_of(Metric(family=set_name, name=metric, better=better, format=".4g"))


def _said_by_evaluator(run: Run, name: str) -> Better:
    """Return which way an evaluator's ``better`` says that its metric is better; anyone may have written it."""
    node = ((run.config.get("evaluation") or {}).get("evaluators") or {}).get(name)
    said = node.get("better") if isinstance(node, Mapping) else None
    return next((better for better in (Better.HIGHER, Better.LOWER) if better.value == said), Better.NEITHER)
