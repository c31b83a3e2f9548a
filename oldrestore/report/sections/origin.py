"""Where runs come from: what all share once, and what differs as columns; and the commands that repeat them."""

from __future__ import annotations

from oldrestore.report.section import Section, View


def origin(view: View) -> Section:
    """Make the section."""
    runs = view.group.origins
    names = list(dict.fromkeys(name for run in runs for name in run.facts))
    shared = [name for name in names if len({run.facts.get(name) for run in runs}) == 1]
    columns = [name for name in names if name not in shared]
    values = {"shared": [(name, runs[0].facts[name]) for name in shared], "columns": columns, "runs": runs}
    body = view.render("origin", origins=values)
    return Section("origin", "Where the runs come from", body, link="Provenance")
