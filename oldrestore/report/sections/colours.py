"""One metric against another, and which colours the designs use."""

from __future__ import annotations

import numpy as np

from oldrestore.comparison.rendering import number
from oldrestore.report.ab_chart import ab_panel
from oldrestore.report.ab_plane import AbPlane
from oldrestore.report.contents import Group
from oldrestore.report.look import SCREEN
from oldrestore.report.scatter_chart import axis_of, default_axes, offered_axes, template
from oldrestore.report.section import ChartWords, Section, View
from oldrestore.report.words import full_name


def tradeoffs(view: View) -> Section | None:
    """Make the section, if there are designs and measures to set against one another."""
    group = view.group
    first = default_axes(group)
    if first is None:
        return None
    offered, chosen = offered_axes(group), [measure.name for measure in first]
    named = [(measure.name, full_name(measure)) for measure in offered]
    body = view.render("tradeoffs", words=_metric_words(group), axes=named, chosen=chosen)
    scatter = {"axes": {measure.name: axis_of(measure) for measure in offered}, "chosen": chosen}
    specs, data = {"metrics": template(group, SCREEN)}, {"scatter": scatter}
    return Section("tradeoffs", "Metric against metric", body, link="Colours", specs=specs, data=data)


def colours(view: View) -> Section:
    """Make the section: histograms of the originals and of each design in the ab plane."""
    group, plane = view.group, view.group.pictures.plane
    if plane is None:
        return Section("colours", "Colours used", view.render("colours", words=None))
    specs = {"ab-truth": ab_panel(group, None, SCREEN)}
    for design, predicted in enumerate(plane.predicted):
        if predicted is not None:
            specs[f"ab-{design}"] = ab_panel(group, design, SCREEN)
    body = view.render("colours", words=_plane_words(group))
    return Section("colours", "Colours used", body, link="Colours", specs=specs)


def _metric_words(group: Group) -> ChartWords:
    measures = offered_axes(group)
    rows = []
    for name, cells in zip(group.names, group.compared.cells, strict=True):
        rows.append([name, *(number(cells[m.name].value, m) if m.name in cells else "" for m in measures)])
    note = "Large marks are means, lines 95% intervals" + (", small marks single seeds." if group.has_seeds else ".")
    description = f"A point a design; the table below has all {len(measures)} measures."
    return ChartWords("Metric against metric", note, description, ["design", *map(full_name, measures)], rows)


def _plane_words(group: Group) -> ChartWords:
    plane = group.pictures.plane
    rows = [["originals", "", f"{_mean_chroma(plane, plane.truth):.1f}"]]
    for name, predicted, overlap in zip(group.names, plane.predicted, plane.overlap, strict=True):
        if predicted is not None:
            rows.append([name, f"{100 * overlap:.0f}%", f"{_mean_chroma(plane, predicted):.1f}"])
    coloured = [design for _, design, _ in group.pictures.runs]
    over_seeds = ", averaged over seeds" if len(coloured) > len(set(coloured)) else ""
    note = (
        f"Shares of the pixels of {plane.photographs} validation photographs, evenly spread over the names, in cells "
        f"of 5 by 5 Lab units{over_seeds}. The stronger a cell, the larger its share, on a logarithmic scale; shares "
        "below 1 in 100,000 are not drawn. The line encloses 95% of the originals' pixels. The overlap "
        "is what two histograms have in common: it asks whether the same colours are used as often, not whether they "
        "stand in the right place."
    )
    listed = "; ".join(f"{row[0]}: overlap with the originals {row[1]}" for row in rows[1:])
    headings = ["", "overlap with the originals", "mean chroma, Lab units"]
    return ChartWords("Colours used", note, f"Histograms in the ab plane. {listed}.", headings, rows)


def _mean_chroma(plane: AbPlane, share: np.ndarray) -> float:
    middle = (plane.edges[1:] + plane.edges[:-1]) / 2
    return float((share * np.hypot(middle[:, None], middle[None, :])).sum())
