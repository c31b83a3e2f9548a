"""The verdict: the summary in words, the table of figures, and the settings that differ between designs."""

from __future__ import annotations

import math
from typing import Any

from oldrestore.comparison.baselines import TINT
from oldrestore.comparison.columns import Cell
from oldrestore.comparison.measures import Measure
from oldrestore.comparison.power import is_undecided, too_few
from oldrestore.comparison.rendering import FAMILY, MARK_WORDS, floor_in_words, interval, number, paired
from oldrestore.evaluation.baseline_scores import CEILINGS, CEILINGS_IN_WORDS
from oldrestore.report.contents import Group
from oldrestore.report.section import ChartWords, Section, View, first_upper
from oldrestore.report.setup import setup_of
from oldrestore.report.words import full_name
from oldrestore.tables import setting


def summary(view: View) -> Section:
    """Make the section: what was compared, the verdict in words, and the figure that decides."""
    specs = view.specs("forest")
    said = _forest_words(view.group) if specs else None
    shown = {"words": view.group.words, "setup": setup_of(view.group.compared), "forest": said}
    body = view.render("summary", **shown, number=view.number, total=view.total)
    return Section("summary", "", body, link="Summary", specs=specs, attributes={"class": "summary"})


def figures(view: View) -> Section:
    """Make the section: the table of figures, and the differences from the best design."""
    group = view.group
    values = {"table": _table(group), "differences": _differences(group), "headline": full_name(group.headline)}
    return Section("figures", "Figures", view.render("figures", **values), link="Table")


def settings(view: View) -> Section:
    """Make the section: a row for each setting that is not the same in all designs."""
    differences = view.group.compared.differences
    rows = {name: [setting(value) for value in values] for name, values in differences.items()}
    return Section("settings", "What differs between the designs", view.render("settings", rows=rows))


def _forest_words(group: Group) -> ChartWords:
    measure, rows = group.headline, []
    for design, name in enumerate(group.names):
        cell = group.cell(design, measure.name)
        if cell is not None:
            counts = [str(cell.seeds), str(cell.n)]
            rows.append([name, number(cell.value, measure), interval(cell, measure), *counts, MARK_WORDS[cell.mark]])
    note = "Points are means, lines 95% intervals" + (", small ticks single seeds." if group.has_seeds else ".")
    if any(row[5] == "best" for row in rows):
        note += (
            " The intervals ask how the figures would be on other photographs. All designs saw the same ones, so that "
            "they may differ significantly although their intervals overlap: see the differences below the table."
        )
    for title in group.compared.baselines:
        if (cell := group.baseline(title, measure.name)) is not None:
            numbers = [number(cell.value, measure), interval(cell, measure), "", str(cell.n)]
            rows.append([title, *numbers, "needs no network"])
    listed = "; ".join(f"{row[0]} {row[1]} ({row[2]})" if row[2] else f"{row[0]} {row[1]}" for row in rows)
    title = full_name(measure)
    headings = ["design", title, "95% interval", "seeds", "photographs", ""]
    return ChartWords(first_upper(title), note, f"{first_upper(title)} of each design: {listed}.", headings, rows)


def _table(group: Group) -> dict[str, Any]:
    """Columns and rows of the table; cells hold the number that they are sorted by."""
    measures = group.compared.measures
    columns = [{"heading": m.heading, "title": full_name(m), "better": m.better or ""} for m in measures]
    rows = []
    for index in range(len(group.names)):
        cells = [_shown(group.cell(index, measure.name), measure) for measure in measures]
        seconds = group.compared.seconds[index]
        time = {"text": "" if seconds is None else f"{seconds:.0f}", "sort": "" if seconds is None else repr(seconds)}
        rows.append({"index": index, "seeds": len(group.compared.designs[index].runs), "cells": cells, "time": time})
    marked = sum(any(row["cells"][at]["mark"] for row in rows) for at in range(len(columns)))
    beside = [
        {"title": title, "cells": [_shown(of_each.get(measure.name), measure) for measure in measures]}
        for title, of_each in group.compared.baselines.items()
    ]
    floors = group.compared.below_floor(*measures)
    below = f"not significantly better than {floor_in_words(floors)} {FAMILY}" if floors else ""
    tint = TINT if TINT in group.compared.baselines else ""
    ceilings = first_upper(CEILINGS_IN_WORDS) if set(CEILINGS) <= group.compared.baselines.keys() else ""
    whole = {"columns": columns, "rows": rows, "legend": marked > 0, "marked": marked}
    return {**whole, "beside": beside, "below": below, "tint": tint, "ceilings": ceilings}


def _shown(cell: Cell | None, measure: Measure) -> dict[str, Any]:
    if cell is None:
        return {"text": "", "interval": "", "mark": "", "words": "", "sort": "", "below": False}
    words = [MARK_WORDS[cell.mark]] * bool(cell.mark) + ["not better than what needs no network"] * cell.below_floor
    return {
        "text": number(cell.value, measure),
        "interval": interval(cell, measure),
        "mark": cell.mark,
        "words": "; ".join(words),
        "sort": repr(float(cell.value)) if math.isfinite(cell.value) else "",
        "below": cell.below_floor,
    }


def _differences(group: Group) -> list[list[Any]]:
    """Paired differences of the verdict's measure from the best design, nearest first."""
    cells = ((index, group.cell(index, group.headline.name)) for index in range(len(group.names)))
    differing = [(index, cell) for index, cell in cells if cell is not None and cell.against_best is not None]
    differing.sort(key=lambda one: abs(one[1].against_best.difference))
    return [[i, *paired(cell.against_best, cell.p_holm, group.headline), _verdict(cell)] for i, cell in differing]


def _verdict(cell: Cell) -> str:
    return too_few(cell) if is_undecided(cell) else MARK_WORDS[cell.mark] or "different"
