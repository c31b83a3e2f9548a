"""What a section of the page is made of, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from oldrestore.report.charts import figures_of
from oldrestore.report.contents import Group
from oldrestore.report.look import SCREEN

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    name : str
        End of its elements' ids.
    title : str
        Heading; empty if the body has its own heading, with the id ``KEY-NAME-h``.
    body : str
        HTML from `View.render`; any other text is escaped.
    link : str, optional
        Its name in the page's navigation; of two sections with the same link, the first is linked.
    specs : mapping
        Vega-Lite specification of each chart, by the end of the id of its element.
    data : mapping
        What the page's script needs.
    attributes : mapping of str to str
        Attributes of the section's element.
    """

    name: str
    title: str
    body: str
    link: str | None = None
    specs: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """What a section is drawn from.

    Attributes
    ----------
    key : str
        Beginning of the ids of the group's elements.
    environment : Environment
        Jinja's, with templates in ``templates/sections``.
    number, total : int
        Number of the group, from 1, and of groups.
    budget : int
        Bytes for pictures.
    """

    group: Group
    key: str
    environment: Environment
    number: int = 1
    total: int = 1
    budget: int = 0

    @cached_property
    def charts(self) -> dict[str, Callable]:
        """Charts that the group has data for: functions of the look."""
        return figures_of(self.group)

    def specs(self, *names: str) -> dict[str, Any]:
        """Specifications of the named charts, if the group has data for them."""
        return {name: self.charts[name](SCREEN) for name in names if name in self.charts}

    @property
    def designs(self) -> list[dict[str, Any]]:
        """Place and name of each design."""
        return [{"index": index, "name": name} for index, name in enumerate(self.group.names)]

    def render(self, template: str, **values: Any) -> str:
        """Return the HTML of a template with `values`, and ``key``, ``group`` and ``designs``."""
        from markupsafe import Markup

        whole = self.environment.get_template(f"sections/{template}.html.j2")
        return Markup(whole.render(key=self.key, group=self.group, designs=self.designs, **values))


@dataclass(frozen=True)
class ChartWords:
    """Text of a chart, also for those who do not see it.

    Attributes
    ----------
    title, note : str
        Text above and below the chart.
    description : str
        Alternative text for screen readers.
    headings, rows : list
        The chart's numbers as a table.
    """

    title: str
    note: str
    description: str
    headings: list[str]
    rows: list[list[str]]


def first_upper(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]
