"""The table of figures, and the differences from the best design."""

from __future__ import annotations

import math
from typing import Any

from oldrestore.comparison.measures import Measure
from oldrestore.comparison.rendering import interval, number
from oldrestore.report.contents import Group
from oldrestore.report.section import Section, View
from oldrestore.report.words import full_name

MARK_WORDS = {"best": "best", "tied": "not distinguishable from the best", "": ""}


def figures(view: View) -> Section:
    """Make the section."""
    group = view.group
    values = {"table": _table(group), "differences": _differences(group), "headline": full_name(group.headline)}
    return Section("figures", "Figures", view.render("figures", **values), link="Table")


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
        row = [index, number(d.difference, measure), around, *sure, MARK_WORDS[cell.mark] or "different"]
        found.append((abs(d.difference), row))
    return [row for _, row in sorted(found, key=lambda one: one[0])]
