"""What each chart says, for who does not see it: a title, a note, a description and its numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.comparison.measures import Measure
from oldrestore.comparison.rendering import interval, number
from oldrestore.report.ab_plane import AbPlane
from oldrestore.report.contents import Group
from oldrestore.report.scatter_chart import offered_axes
from oldrestore.report.series import Series
from oldrestore.report.words import curve_title, full_name

ROWS = 12  # of a table of a curve


@dataclass(frozen=True)
class ChartWords:
    """What a chart says.

    Attributes
    ----------
    title, note : str
        Above and below it.
    description : str
        In its place, for screen readers.
    headings : list of str
    rows : list of list of str
    """

    title: str
    note: str
    description: str
    headings: list[str]
    rows: list[list[str]]


def forest_words(group: Group) -> ChartWords:
    """Of the summary's measure."""
    measure = group.headline
    rows = []
    for design, name in enumerate(group.names):
        cell = group.cell(design, measure.name)
        if cell is not None:
            mark = {"best": "best", "tied": "not distinguishable from the best"}.get(cell.mark, "")
            rows.append(
                [name, number(cell.value, measure), interval(cell, measure), str(cell.seeds), str(cell.n), mark]
            )
    several = any(len(design.runs) > 1 for design in group.compared.designs)
    note = "Points are means, lines 95% intervals" + (", small ticks single seeds." if several else ".")
    if any(row[5] == "best" for row in rows):
        note += (
            " The intervals ask how the figures would be on other photographs. All designs saw the same ones, so that "
            "they may be told apart although their intervals overlap: see the differences below the table."
        )
    told = "; ".join(f"{row[0]} {row[1]} ({row[2]})" if row[2] else f"{row[0]} {row[1]}" for row in rows)
    title = full_name(measure)
    headings = ["design", title, "95% interval", "seeds", "photographs", ""]
    return ChartWords(_upper(title), note, f"{_upper(title)} of each design: {told}.", headings, rows)


def curve_words(group: Group, series: Series) -> ChartWords:
    """Of something over iterations."""
    measure = group.measured(series)
    is_loss = series in group.losses
    title = _upper(curve_title(group, series))
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


def accuracy_words(group: Group) -> ChartWords:
    """Of what the judge recognises."""
    measure = group.measure("iter_accuracy")
    held = next(cells for cells in group.compared.cells if "orig_accuracy" in cells)
    listed = [("originals", held["orig_accuracy"])]
    listed += [
        (name, cells.get("iter_accuracy")) for name, cells in zip(group.names, group.compared.cells, strict=True)
    ]
    listed.append(("gray photographs", held["gray_accuracy"]))
    rows = [[name, number(c.value, measure), interval(c, measure), str(c.n)] for name, c in listed if c is not None]
    judge = (group.compared.measured_on.get("judge") or {}).get("name")
    who = f"The judge is {judge}, " if judge else "The judge is a recognition network, "
    note = (
        f"{who}and sees {held['orig_accuracy'].n} photographs: as they are, with each design's colours, and gray. "
        "A design that reaches beyond the dashed line is recognised more often than gray photographs."
    )
    gray = held["gray_accuracy"].value
    if all(cells["iter_accuracy"].value < gray for cells in group.compared.cells if "iter_accuracy" in cells):
        note += " Here no design reaches it."
    note += " Lines are 95% intervals."
    told = "; ".join(f"{row[0]} {row[1]} ({row[2]})" for row in rows)
    headings = ["photographs", "recognised", "95% interval", "n"]
    return ChartWords("What the judge recognises", note, f"Share of photographs recognised: {told}.", headings, rows)


def metric_words(group: Group) -> ChartWords:
    """Of metric against metric."""
    measures = offered_axes(group)
    rows = []
    for name, cells in zip(group.names, group.compared.cells, strict=True):
        rows.append([name, *(number(cells[m.name].value, m) if m.name in cells else "" for m in measures)])
    several = any(len(design.runs) > 1 for design in group.compared.designs)
    note = "Large marks are means, lines 95% intervals" + (", small marks single seeds." if several else ".")
    description = f"A point a design; the table below has all {len(measures)} measures."
    return ChartWords("Metric against metric", note, description, ["design", *map(full_name, measures)], rows)


def plane_words(group: Group) -> ChartWords:
    """Of the colours in the ab plane."""
    plane = group.pictures.plane
    rows = [["originals", "", f"{_mean_chroma(plane, plane.truth):.1f}"]]
    for name, predicted, overlap in zip(group.names, plane.predicted, plane.overlap, strict=True):
        if predicted is not None:
            rows.append([name, f"{100 * overlap:.0f}%", f"{_mean_chroma(plane, predicted):.1f}"])
    several = any(sum(d == design for _, d, _ in group.pictures.runs) > 1 for design in range(len(group.names)))
    over_seeds = ", averaged over seeds" if several else ""
    note = (
        f"Shares of the pixels of {plane.photographs} validation photographs, evenly spread over the names, in cells "
        f"of 5 by 5 Lab units{over_seeds}. The stronger a cell, the larger its share, on a logarithmic scale; shares "
        "below 1 in 100,000 are not drawn. The line encloses 95% of the originals' pixels. The overlap "
        "is what two histograms have in common: it asks whether the same colours are used as often, not whether they "
        "stand in the right place."
    )
    told = "; ".join(f"{row[0]}: overlap with the originals {row[1]}" for row in rows[1:])
    headings = ["", "overlap with the originals", "mean chroma, Lab units"]
    return ChartWords("Colours used", note, f"Histograms in the ab plane. {told}.", headings, rows)


def _mean_chroma(plane: AbPlane, share: np.ndarray) -> float:
    middle = (plane.edges[1:] + plane.edges[:-1]) / 2
    return float((share * np.hypot(middle[:, None], middle[None, :])).sum())


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


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
