"""One metric against another, of any two."""

from __future__ import annotations

from oldrestore.comparison.rendering import number
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
    body = view.render("tradeoffs", words=metric_words(group), axes=named, chosen=chosen)
    scatter = {"axes": {measure.name: axis_of(measure) for measure in offered}, "chosen": chosen}
    specs, data = {"metrics": template(group, SCREEN)}, {"scatter": scatter}
    return Section("tradeoffs", "Metric against metric", body, link="Colours", specs=specs, data=data)


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
