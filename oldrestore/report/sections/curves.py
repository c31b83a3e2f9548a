"""Losses and measures over iterations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from oldrestore.comparison.measures import Measure
from oldrestore.comparison.rendering import number
from oldrestore.report import charts
from oldrestore.report.contents import JUDGED_CURVE, Group
from oldrestore.report.look import SCREEN
from oldrestore.report.section import ChartWords, Section, View, first_upper
from oldrestore.report.series import Series

ROWS = 12  # of a table of a curve


def curves(view: View) -> Section | None:
    """Make the section, if anything was logged more than once; the judge's accuracies stand under Recognition."""
    group = view.group
    shown = {series.name.replace("/", "_"): series for series in group.losses}
    over = {f"over:{series.name}": series for series in group.over_iterations if series.name != JUDGED_CURVE}
    if not shown and not over:
        return None
    losses, others = ([(name, curve_words(group, one)) for name, one in each.items()] for each in (shown, over))
    body = view.render("curves", losses=losses, over=others)
    specs = view.specs(*shown) | {name: charts.curves(group, series, SCREEN) for name, series in over.items()}
    return Section("curves", "Over iterations", body, link="Curves" if shown else None, specs=specs)


def curve_words(group: Group, series: Series) -> ChartWords:
    """Of something over iterations."""
    measure = group.measured(series)
    is_loss = series in group.losses
    title = first_upper(group.title_of(series))
    notes = []
    if any(band.seeds.max(initial=0) > 1 for band in series.bands):
        notes.append("Lines are means over seeds; bands reach from the lowest to the highest seed.")
    if series.block > 1:
        uneven = any(len(b.iterations) and b.iterations[-1] % series.block for b in series.bands)
        last = ", the last of a few more or fewer" if uneven else ""
        notes.append(f"Each point is the mean of {series.block} iterations{last}.")
    if is_loss and group.loss_differs:
        notes.append(
            "The designs' losses are different functions, so each curve is divided by its own start: compare shapes, "
            "not levels. The table has the values themselves."
        )
    at = _some(series)
    rows = []
    for iteration in at:
        row = [str(iteration)]
        for band in series.bands:
            found = np.flatnonzero(band.iterations == iteration)
            row.append(_figure(float(band.mean[found[0]]), measure) if len(found) else "")
        rows.append(row)
    ends = []
    for band in series.bands:
        if len(band.mean):
            first, last = (_figure(float(band.mean[end]), measure) for end in (0, -1))
            ends.append(f"{group.names[band.design]} from {first} to {last}")
    description = f"{title} over iterations, a line a design: {'; '.join(ends)}."
    return ChartWords(
        title, " ".join(notes), description, ["iteration", *(group.names[b.design] for b in series.bands)], rows
    )


def _some(series: Series) -> Sequence[int]:
    """At most `ROWS` of the iterations, evenly spread, the last among them."""
    every = np.unique(np.concatenate([band.iterations for band in series.bands]))
    if len(every) <= ROWS:
        return every.tolist()
    return every[np.unique(np.linspace(0, len(every) - 1, ROWS).round().astype(int))].tolist()


def _figure(value: float, measure: Measure | None) -> str:
    if measure is not None:
        return number(value, measure)
    return f"{value:.4g}" if math.isfinite(value) else "none"
