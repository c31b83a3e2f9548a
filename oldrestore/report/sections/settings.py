"""What differs between the designs."""

from __future__ import annotations

from oldrestore.comparison.rendering import setting
from oldrestore.report.section import Section, View


def settings(view: View) -> Section:
    """Make the section: a row for each setting that is not the same in all designs."""
    differences = view.group.compared.differences
    rows = {name: [setting(value) for value in values] for name, values in differences.items()}
    return Section("settings", "What differs between the designs", view.render("settings", rows=rows))
