"""The page that lists the reports: plain HTML without scripts, made anew for each look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from oldrestore.report.shelf import ShelvedReport

FOLDER = Path(__file__).parent / "templates"


def shelf_page(reports: Sequence[ShelvedReport], outputs: str) -> str:
    """Return the page, every name escaped.

    Parameters
    ----------
    reports : sequence of ShelvedReport
        In the order to show.
    outputs : str
        The root of run folders, as the reader knows it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"address": address_of, "size": size_in_words, "text": _as_unicode}
    return environment.get_template("shelf.html.j2").render(reports=reports, outputs=outputs)


def address_of(report: ShelvedReport) -> str:
    """Path of a report on the server, quoted, as a link on the page has it."""
    return "/" + quote(report.name, errors="surrogateescape")


def size_in_words(size: int) -> str:
    """Return a size of a file as it is read: kB below 1 MB."""
    return f"{max(1, round(size / 1000))} kB" if size < 999_500 else f"{size / 1e6:.1f} MB"


def _as_unicode(text: str) -> str:
    """What is no Unicode in a file's name becomes a question mark."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
