"""A section of the page, and what it is drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from oldrestore.report.charts import figures_of
from oldrestore.report.contents import Group
from oldrestore.report.look import SCREEN
from oldrestore.report.searched import Searched


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str  # end of its elements' ids
    title: str  # empty if the body has its own heading, with the id KEY-NAME-h
    body: str  # HTML from View.render; any other text is escaped
    link: str | None = None  # in the page's navigation; of two sections with the same link, the first is linked
    specs: Mapping[str, Any] = field(default_factory=dict)  # Vega-Lite, by the end of the id of the chart's element
    data: Mapping[str, Any] = field(default_factory=dict)  # for the page's script
    attributes: Mapping[str, str] = field(default_factory=dict)  # of the section's element


@dataclass(frozen=True)
class View:
    """What a section is drawn from."""

    group: Group
    key: str  # beginning of the ids of the group's elements
    environment: Environment
    number: int = 1  # of the group, from 1
    total: int = 1  # of groups
    budget: int = 0  # bytes of pictures
    searched: Searched | None = None  # what the whole page is about, if this is its first group

    def specs(self, *names: str) -> dict[str, Any]:
        """Specifications of the named charts, if the group has data for them."""
        charts = figures_of(self.group)
        return {name: charts[name](SCREEN) for name in names if name in charts}

    @property
    def designs(self) -> list[dict[str, Any]]:
        """Place and name of each design."""
        return [{"index": index, "name": name} for index, name in enumerate(self.group.names)]

    def render(self, template: str, **values: Any) -> str:
        """Return the HTML of a template with `values`, and ``key``, ``group`` and ``designs``."""
        whole = self.environment.get_template(f"sections/{template}.html.j2")
        return Markup(whole.render(key=self.key, group=self.group, designs=self.designs, **values))


@dataclass(frozen=True)
class ChartWords:
    """Text of a chart, also for those who do not see it; its numbers as a table."""

    title: str  # above the chart
    note: str  # below it
    description: str  # for screen readers
    headings: list[str]
    rows: list[list[str]]


def first_upper(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]
