"""The summary: the verdict in words, and each design's figure by the measure that decides."""

from __future__ import annotations

from oldrestore.comparison.rendering import interval, number
from oldrestore.report.contents import Group
from oldrestore.report.section import ChartWords, Section, View, first_upper
from oldrestore.report.words import full_name


def summary(view: View) -> Section:
    """Make the summary."""
    specs = view.specs("forest")
    said = forest_words(view.group) if specs else None
    body = view.render("summary", words=view.group.words, forest=said, number=view.number, total=view.total)
    return Section("summary", "", body, link="Summary", specs=specs, attributes={"class": "summary"})


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
            "they may differ significantly although their intervals overlap: see the differences below the table."
        )
    told = "; ".join(f"{row[0]} {row[1]} ({row[2]})" if row[2] else f"{row[0]} {row[1]}" for row in rows)
    title = full_name(measure)
    headings = ["design", title, "95% interval", "seeds", "photographs", ""]
    return ChartWords(first_upper(title), note, f"{first_upper(title)} of each design: {told}.", headings, rows)
