"""Sections of a report's page: functions of a `View` that return a `Section`, or None if there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable

from oldrestore.report.section import Section, View
from oldrestore.report.sections.colours import colours
from oldrestore.report.sections.curves import curves
from oldrestore.report.sections.figures import figures
from oldrestore.report.sections.gallery import gallery
from oldrestore.report.sections.origin import origin
from oldrestore.report.sections.recognition import recognition
from oldrestore.report.sections.settings import settings
from oldrestore.report.sections.summary import summary
from oldrestore.report.sections.tradeoffs import tradeoffs

# In the order of the page.
SECTIONS: tuple[Callable[[View], Section | None], ...] = (
    summary,
    figures,
    curves,
    recognition,
    tradeoffs,
    colours,
    gallery,
    settings,
    origin,
)
