"""The page: one HTML file that opens from disk and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.report.contents import Group, Report
from oldrestore.report.look import BAR, SCREEN, VERSION
from oldrestore.report.section import View
from oldrestore.report.sections import SECTIONS

FOLDER = Path(__file__).parent / "templates"
MARKS = 64  # designs with marks of their own: eight colours, each in eight shapes
WHOLE = 28  # characters of a name that is not broken
PICTURES_BUDGET = 2_600_000  # bytes of data URIs on a page


def write_page(report: Report, path: Path) -> int:
    """Write the page, whole or not at all, and return its size in bytes; raises `UserError` if that is impossible."""
    content = render(report).encode()
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"the report cannot be written to '{path}' ({error.strerror})") from None
    return len(content)


def render(report: Report) -> str:
    """Return the page as HTML.

    Every text from runs is escaped. Should one ever slip through, it does not run: the page's policy admits its own two
    scripts by their hashes, embedded pictures, and nothing else.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["design_names"] = mark_designs
    environment.filters["middle"] = _with_breaks
    environment.globals["marks"] = [swatch(design) for design in range(MARKS)]
    pictures = sum(len(group.pictures.photographs) for group in report.groups) or 1
    groups, data = [], {"specs": {}, "groups": {}}
    for number, group in enumerate(report.groups):
        key, share = f"g{number}", PICTURES_BUDGET * len(group.pictures.photographs) // pictures
        searched = report.searched if number == 0 else None
        view = View(group, key, environment, number + 1, len(report.groups), share, searched)
        sections = [section for make in SECTIONS if (section := make(view)) is not None]
        links: dict[str, str] = {}
        groups.append({"key": key, "sections": sections, "links": links})
        data["groups"][key] = {}
        for section in sections:
            if section.link is not None:
                links.setdefault(section.link, section.name)
            data["specs"] |= {f"{key}-{name}": spec for name, spec in section.specs.items()}
            data["groups"][key] |= section.data
    scripts = [(FOLDER / "report.js").read_text(encoding="utf-8"), library()]
    return environment.get_template("report.html.j2").render(
        report=report,
        made=report.made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        made_words=report.made.strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        groups=groups,
        policy=policy(scripts),
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup(scripts[0]),
        library=Markup(scripts[1]),
        data=embedded_json(data),
    )


def policy(scripts: Sequence[str]) -> str:
    """Content-Security-Policy that admits only these inline scripts and nothing from a network."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    # Charts and swatches set styles of their own elements.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def embedded_json(data: Any) -> Markup:
    """JSON for a ``<script type="application/json">``: nothing in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; vl-convert carries them, so nothing is downloaded."""
    import vl_convert

    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VERSION)
    assert "</script" not in text.lower() and "<!--" not in text, "the bundle would end its own element"
    return text


def mark_designs(text: str, group: Group) -> Markup:
    """Escape a sentence and mark the names of designs in it."""
    names = sorted(range(len(group.names)), key=lambda index: -len(group.names[index]))
    by_name = {group.names[index]: index for index in names}
    # A whole word: "focal" is no part of "bifocal".
    pattern = "|".join(re.escape(group.names[index]) for index in names)
    parts = re.split(rf"(?<![\w-])({pattern})(?![\w-])", text)
    whole = Markup("")
    opening = ""
    for place, part in enumerate(parts):
        if part in by_name and place % 2:
            # A mark stays with its name and with the bracket before it, unless they would not fit on a telephone.
            kind = "name whole" if len(part) <= WHOLE else "name"
            named = Markup('<span class="{}">{}{}</span>').format(kind, swatch(by_name[part]), part)
            bracketed = opening and len(part) <= WHOLE
            whole += Markup('<span class="whole">({}</span>').format(named) if bracketed else opening + named
        else:
            opening = "(" if part.endswith("(") and place + 1 < len(parts) else ""
            whole += escape(part[: len(part) - len(opening)])
    return whole


def swatch(design: int) -> Markup:
    """The mark of a design: its shape in its colour, as in the charts."""
    shapes = {
        "circle": "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z",
        "square": "M2 2h8v8h-8z",
        "triangle-up": "M6 1.5L11 10.5H1z",
        "diamond": "M6 .5L10.5 6L6 11.5L1.5 6z",
        "cross": "M4.3 1h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
        "triangle-down": "M6 10.5L1 1.5H11z",
        BAR: "M4.1 1h3.8v10h-3.8z",
        "triangle-right": "M10.5 6L1.5 11V1z",
    }
    path = shapes[SCREEN.shape(design)]
    return Markup(
        '<svg class="swatch" viewBox="0 0 12 12" aria-hidden="true"><path d="{}" style="fill:{}"/></svg>'
    ).format(path, SCREEN.color(design))


def _with_breaks(text: str) -> Markup:
    """Let a long name break after its separators."""
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[_/.,])", text))
