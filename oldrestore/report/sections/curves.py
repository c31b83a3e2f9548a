"""Losses and measures over iterations, and what the judge recognises."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from oldrestore.comparison.baselines import MEAN, TINT
from oldrestore.comparison.measures import Measure
from oldrestore.comparison.rendering import interval, number
from oldrestore.evaluation.baseline_scores import CEILINGS
from oldrestore.report import charts
from oldrestore.report.contents import JUDGED_CURVE, Group
from oldrestore.report.look import SCREEN
from oldrestore.report.section import ChartWords, Section, View, first_upper
from oldrestore.report.series import Series

ROWS = 12  # of a table of a curve


def curves(view: View) -> Section | None:
    """Make the section, if anything was logged more than once; the judge's accuracies are under Recognition."""
    group = view.group
    shown = {series.name.replace("/", "_"): series for series in group.losses}
    over = {f"over:{series.name}": series for series in group.over_iterations if series.name != JUDGED_CURVE}
    if not shown and not over:
        return None
    losses, others = ([(name, _curve_words(group, one)) for name, one in each.items()] for each in (shown, over))
    once = {name: _once(group, series) for name, series in shown.items() if series.longest < 2}
    body = view.render("curves", losses=losses, over=others, once=once)
    specs = view.specs(*shown) | {name: charts.curves(group, series, SCREEN) for name, series in over.items()}
    return Section("curves", "Over iterations", body, link="Curves" if shown else None, specs=specs)


def _once(group: Group, series: Series) -> str:
    """Say a loss that was recorded once, which would be a chart of one point."""
    values = [(group.names[b.design], int(b.iterations[0]), f"{b.mean[0]:.4g}") for b in series.bands]
    said = "; ".join(f"{name} {value} at iteration {at}" for name, at, value in values)
    return f"It was recorded once: {said}."


def recognition(view: View) -> Section:
    """Make the section: accuracies at the end, and over iterations if the judge looked more than once."""
    group = view.group
    specs = view.specs("accuracy")
    said, over = _accuracy_words(group) if specs else None, None
    series = group.one(JUDGED_CURVE)
    if specs and series is not None and series.longest > 1:
        over = _curve_words(group, series)
        specs |= view.specs("accuracy_over_iterations")
    body = view.render("recognition", accuracy=said, over_iterations=over)
    return Section("recognition", "Recognition", body, link="Recognition", specs=specs)


def _curve_words(group: Group, series: Series) -> ChartWords:
    measure = group.measured(series)
    title = first_upper(group.title_of(series))
    notes = []
    if any(band.seeds.max(initial=0) > 1 for band in series.bands):
        notes.append("Lines are means over seeds; bands reach from the lowest to the highest seed.")
    if series.block > 1:
        uneven = any(len(b.iterations) and b.iterations[-1] % series.block for b in series.bands)
        last = ", the last of a few more or fewer" if uneven else ""
        notes.append(f"Each point is the mean of {series.block} iterations{last}.")
    if series in group.losses and group.loss_differs:
        notes.append(
            "The designs' losses are different functions, so each curve is divided by its own start: compare shapes, "
            "not levels. The table has the values themselves."
        )
    rows = []
    for iteration in _some(series):
        row = [str(iteration)]
        for band in series.bands:
            at = np.flatnonzero(band.iterations == iteration)
            row.append(_figure(float(band.mean[at[0]]), measure) if len(at) else "")
        rows.append(row)
    ends = []
    for band in series.bands:
        if len(band.mean):
            first, last = (_figure(float(band.mean[end]), measure) for end in (0, -1))
            ends.append(f"{group.names[band.design]} from {first} to {last}")
    description = f"{title} over iterations, a line a design: {'; '.join(ends)}."
    headings = ["iteration", *(group.names[band.design] for band in series.bands)]
    return ChartWords(title, " ".join(notes), description, headings, rows)


def _some(series: Series) -> Sequence[int]:
    """At most `ROWS` of the iterations, evenly spread, including the last."""
    every = np.unique(np.concatenate([band.iterations for band in series.bands]))
    if len(every) <= ROWS:
        return every.tolist()
    return every[np.unique(np.linspace(0, len(every) - 1, ROWS).round().astype(int))].tolist()


def _figure(value: float, measure: Measure | None) -> str:
    if measure is not None:
        return number(value, measure)
    return f"{value:.4g}" if math.isfinite(value) else "none"


def _accuracy_words(group: Group) -> ChartWords:
    measure = group.measure("iter_accuracy")
    every = group.compared.cells
    shared = next(cells for cells in every if "orig_accuracy" in cells)
    listed = [("originals", shared["orig_accuracy"])]
    listed += [(title, group.baseline(title, "iter_accuracy")) for title in CEILINGS]
    listed += [(name, cells.get("iter_accuracy")) for name, cells in zip(group.names, every, strict=True)]
    listed.append(("gray photographs", shared["gray_accuracy"]))
    listed += [(title, group.baseline(title, "iter_accuracy")) for title in (MEAN, TINT)]
    rows = [[name, number(c.value, measure), interval(c, measure), str(c.n)] for name, c in listed if c is not None]
    judge = (group.compared.measured_on.get("judge") or {}).get("name")
    who = f"The judge is {judge}, " if judge else "The judge is a recognition network, "
    note = (
        f"{who}and sees {shared['orig_accuracy'].n} photographs: as they are, with each design's colours, and gray. "
        "A design that reaches beyond the dashed line is recognised more often than gray photographs."
    )
    gray = shared["gray_accuracy"].value
    if all(cells["iter_accuracy"].value < gray for cells in every if "iter_accuracy" in cells):
        note += " Here no design goes beyond it."
    note += " Lines are 95% intervals."
    values = "; ".join(f"{row[0]} {row[1]} ({row[2]})" for row in rows)
    headings = ["photographs", "recognised", "95% interval", "n"]
    return ChartWords("What the judge recognises", note, f"Share of photographs recognised: {values}.", headings, rows)
