"""What the page's template shows of a group, as plain values: table, charts with their words, gallery, origins."""

from __future__ import annotations

import math
from typing import Any

from oldrestore.comparison.measures import Measure
from oldrestore.comparison.rendering import interval, number, setting
from oldrestore.report import chart_words as words_for
from oldrestore.report.ab_chart import ab_panel
from oldrestore.report.charts import curves, figures_of
from oldrestore.report.contents import Group
from oldrestore.report.gallery_parts import gallery_parts
from oldrestore.report.look import SCREEN
from oldrestore.report.origin_parts import origin_parts
from oldrestore.report.scatter_chart import axis_of, default_axes, offered_axes, template
from oldrestore.report.words import full_name

MARK_WORDS = {"best": "best", "tied": "not distinguishable from the best", "": ""}


def group_parts(group: Group, key: str, budget: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the template shows, and the data of the page's script (``specs`` by chart, ``axes``, ``gallery``).

    Parameters
    ----------
    group : Group
    key : str
        Begins the ids of the group's elements.
    budget : int
        Bytes of pictures.
    """
    charts, specs = _charts(group, key)
    gallery, pictures = gallery_parts(group, budget)
    scatter = None
    if "metrics" in charts:
        scatter = {
            "axes": {m.name: axis_of(m) for m in offered_axes(group)},
            "chosen": [measure.name for measure in default_axes(group)],
        }
    parts = {
        "key": key,
        "group": group,
        "designs": _designs(group),
        "table": _table(group),
        "headline": full_name(group.headline),
        "differences": _differences(group),
        "settings": {name: [setting(value) for value in values] for name, values in group.compared.differences.items()},
        "charts": charts,
        "axes": [(measure.name, full_name(measure)) for measure in offered_axes(group)] if scatter else [],
        "chosen_axes": scatter["chosen"] if scatter else [],
        "over_iterations": [(name, charts[name]) for name in charts if name.startswith("over:")],
        "gallery": gallery,
        "origins": origin_parts(group),
    }
    return parts, {"specs": specs, "scatter": scatter, "gallery": pictures}


def _charts(group: Group, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Words of each chart by name, and specifications by the id of the element that shows them."""
    words: dict[str, Any] = {}
    specs: dict[str, Any] = {}
    makers = figures_of(group)
    for name in ("forest", "train_loss", "val_loss", "accuracy_over_iterations", "accuracy"):
        if name in makers:
            specs[f"{key}-{name}"] = makers[name](SCREEN)
    for series in group.losses:
        words[series.name.replace("/", "_")] = words_for.curve_words(group, series)
    if "forest" in makers:
        words["forest"] = words_for.forest_words(group)
    if "accuracy" in makers:
        words["accuracy"] = words_for.accuracy_words(group)
    if "accuracy_over_iterations" in makers:
        words["accuracy_over_iterations"] = words_for.curve_words(group, group.one("judged/iter_accuracy"))
    if "metrics" in makers:
        specs[f"{key}-metrics"] = template(group, SCREEN)
        words["metrics"] = words_for.metric_words(group)
    for series in group.over_iterations:
        if series.name != "judged/iter_accuracy":
            specs[f"{key}-over:{series.name}"] = curves(group, series, SCREEN)
            words[f"over:{series.name}"] = words_for.curve_words(group, series)
    if group.pictures.plane is not None:
        words["ab_plane"] = words_for.plane_words(group)
        specs[f"{key}-ab-truth"] = ab_panel(group, None, SCREEN)
        for design, predicted in enumerate(group.pictures.plane.predicted):
            if predicted is not None:
                specs[f"{key}-ab-{design}"] = ab_panel(group, design, SCREEN)
    return words, specs


def _designs(group: Group) -> list[dict[str, Any]]:
    return [
        {"index": index, "name": name, "runs": [(run.run_id, run.seed) for run in design.runs]}
        for index, (name, design) in enumerate(zip(group.names, group.compared.designs, strict=True))
    ]


def _table(group: Group) -> dict[str, Any]:
    """Columns and rows of the table; cells hold the number that they are sorted by."""
    measures = group.compared.measures
    columns = [
        {"name": measure.name, "heading": measure.heading, "title": full_name(measure), "better": measure.better or ""}
        for measure in measures
    ]
    rows = []
    for index in range(len(group.names)):
        cells = []
        for measure in measures:
            cell = group.cell(index, measure.name)
            if cell is None:
                cells.append({"text": "", "interval": "", "mark": "", "words": "", "sort": ""})
                continue
            cells.append(
                {
                    "text": number(cell.value, measure),
                    "interval": interval(cell, measure),
                    "mark": cell.mark,
                    "words": MARK_WORDS[cell.mark],
                    "sort": repr(float(cell.value)) if math.isfinite(cell.value) else "",
                }
            )
        seconds = group.compared.seconds[index]
        time = {"text": "" if seconds is None else f"{seconds:.0f}", "sort": "" if seconds is None else repr(seconds)}
        rows.append({"index": index, "seeds": len(group.compared.designs[index].runs), "cells": cells, "time": time})
    marked = sum(any(row["cells"][at]["mark"] for row in rows) for at in range(len(columns)))
    return {"columns": columns, "rows": rows, "legend": marked > 0, "marked": marked}


def _differences(group: Group) -> list[list[str]]:
    """Paired differences of the summary's measure from the best design, the nearest first."""
    measure: Measure = group.headline
    found = []
    for index in range(len(group.names)):
        cell = group.cell(index, measure.name)
        if cell is None or cell.against_best is None:
            continue
        d = cell.against_best
        around = f"{number(d.low, measure)} to {number(d.high, measure)}"
        sure = [f"{d.p_value:.2g}", f"{cell.p_holm:.2g}", f"{d.effect:+.2f}", f"{100 * d.wins:.0f}%"]
        row = [index, number(d.difference, measure), around, *sure, MARK_WORDS[cell.mark] or "told apart"]
        found.append((abs(d.difference), row))
    return [row for _, row in sorted(found, key=lambda one: one[0])]
