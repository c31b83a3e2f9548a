"""Sections of a report's page: functions of a `View` that return a `Section`, or None if there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable

from oldrestore.report.section import Section, View
from oldrestore.report.sections.colours import colours, tradeoffs
from oldrestore.report.sections.curves import curves, recognition
from oldrestore.report.sections.gallery import gallery
from oldrestore.report.sections.origin import origin
from oldrestore.report.sections.search import search
from oldrestore.report.sections.verdict import figures, settings, summary

# In the order of the page.
SECTIONS: tuple[Callable[[View], Section | None], ...] = (
    summary,
    figures,
    search,
    curves,
    recognition,
    tradeoffs,
    colours,
    gallery,
    settings,
    origin,
)
