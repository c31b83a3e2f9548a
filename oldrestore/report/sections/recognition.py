"""What the judge recognises."""

from __future__ import annotations

from oldrestore.comparison.rendering import interval, number
from oldrestore.report.contents import JUDGED_CURVE, Group
from oldrestore.report.section import ChartWords, Section, View
from oldrestore.report.sections.curves import curve_words


def recognition(view: View) -> Section:
    """Make the section: accuracies at the end, and over iterations if the judge looked more than once."""
    group = view.group
    specs = view.specs("accuracy")
    said, over = accuracy_words(group) if specs else None, None
    series = group.one(JUDGED_CURVE)
    if specs and series is not None and series.longest > 1:
        over = curve_words(group, series)
        specs |= view.specs("accuracy_over_iterations")
    body = view.render("recognition", accuracy=said, over_iterations=over)
    return Section("recognition", "Recognition", body, link="Recognition", specs=specs)


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
