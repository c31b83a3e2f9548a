"""How charts look, on a page that knows light and dark and on paper, and the parts that their specifications share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from oldrestore.comparison.measures import Measure
from oldrestore.report.contents import Group

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
VERSION = "6.4"  # of Vega-Lite, for vl-convert and the page's bundle
PADDING = 4  # pixels around a chart
DIGITS = 6  # significant, of drawn numbers; the tables have full precision
# Distinguishable without colour: the shape of a design's points and, beyond eight designs, the dashes of its lines.
BAR = "M-0.38,-1H0.38V1H-0.38Z"  # a path: Vega's own "stroke" is a line, and invisible if marks are filled
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", BAR, "triangle-right")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])


@dataclass(frozen=True)
class Look:
    """Colours, letters and sizes of charts; colours are those of CSS."""

    ink: str  # text and important marks
    muted: str  # other text
    grid: str
    surface: str | None  # background
    original: str  # originals, and gray photographs: no designs
    gray: str
    designs: tuple[str, ...]  # used again after the last
    font: str
    font_size: float  # pixels; on paper, points
    width: int | Literal["container"]  # of the whole chart
    height: int  # of a chart over iterations
    legend: bool  # in each chart
    interactive: bool  # tooltips, and marks that follow the pointer
    dashed: bool = False  # every design has its own dashes too, for those who see or print no colour

    def color(self, design: int) -> str:
        """Colour of a design, from 0."""
        return self.designs[design % len(self.designs)]

    def shape(self, design: int) -> str:
        """Shape of a design's points; when the colours repeat, each is combined with another shape."""
        return SHAPES[(design + design // len(self.designs)) % len(SHAPES)]

    def dash(self, design: int) -> list[int]:
        """Dashes of a design's lines."""
        return DASHES[(design if self.dashed else design // len(self.designs)) % len(DASHES)]

    def config(self) -> dict[str, Any]:
        """Vega-Lite configuration."""
        # Dashes would also be drawn around the marks of a legend.
        marks = {"symbolStrokeWidth": 0, "symbolSize": 45} if self.dashed else {"symbolStrokeWidth": 2}
        text = {"labelColor": self.muted, "titleColor": self.ink, "labelFont": self.font, "titleFont": self.font}
        sizes = {"labelFontSize": self.font_size, "titleFontSize": self.font_size, "titleFontWeight": "normal"}
        return {
            # The page gives each chart one text alternative and a table; a voice for each of its marks is noise.
            "aria": False,
            "background": self.surface,
            "font": self.font,
            "view": {"stroke": None},
            "axis": {
                **text,
                **sizes,
                "gridColor": self.grid,
                "domainColor": self.grid,
                "tickColor": self.grid,
                "labelPadding": 5,
                "titlePadding": 8,
                "ticks": False,
            },
            "axisX": {"grid": False, "domain": True},
            "axisY": {"domain": False},
            "legend": {**text, **sizes, "orient": "top", "title": None, **marks, "symbolOpacity": 1},
            "header": {**text, **sizes, "labelColor": self.ink},
            "text": {"fontSize": self.font_size, "font": self.font, "color": self.ink},
            "title": {"font": self.font, "fontSize": self.font_size + 1, "color": self.ink, "fontWeight": "normal"},
        }


# Colours are variables of the page's style sheet, which has two sets of them.
SCREEN = Look(
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--line)",
    surface=None,
    original="var(--original)",
    gray="var(--gray)",
    designs=tuple(f"var(--design-{number})" for number in range(8)),
    font="system-ui, sans-serif",
    font_size=12,
    width="container",
    height=260,
    legend=False,
    interactive=True,
)
# After Okabe and Ito (2008), Color universal design; yellow, which is too light for lines on white, is replaced.
PAPER = Look(
    ink="#111111",
    muted="#444444",
    grid="#dddddd",
    surface="#ffffff",
    original="#444444",
    gray="#b5b5b5",
    designs=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a4f9a", "#6b6b00"),
    font="Helvetica, Arial, sans-serif",
    font_size=9,
    width=320,
    height=180,
    legend=True,
    interactive=False,
    dashed=True,
)


def whole(look: Look, parts: dict[str, Any], height: int | None = None) -> dict[str, Any]:
    """Complete a specification with the size and configuration of a look."""
    size = {"width": look.width, "height": look.height if height is None else height}
    return {
        "$schema": SCHEMA,
        **size,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": PADDING,
        **parts,
        "config": look.config(),
    }


def bars_height(look: Look, rows: int) -> int:
    """Height of a chart with one row for each name and an axis below."""
    step, axis = (32, 58) if look.interactive else (24, 44)  # a name may have two lines
    return rows * step + axis


def by_design(group: Group, look: Look, channel: str = "color") -> dict[str, Any]:
    """Encode the design (field ``d``) as ``color``, ``shape`` or ``strokeDash``, the same in every chart."""
    of = {"color": look.color, "shape": look.shape, "strokeDash": look.dash}[channel]
    scale = {"domain": group.names, "range": [of(design) for design in range(len(group.names))]}
    legend: dict[str, Any] = {"legend": None}
    # Dashes blur the marks of a legend, which tell designs apart already.
    if look.legend and channel != "strokeDash":
        entry = max(map(len, group.names)) * 0.55 * look.font_size + 34
        legend = {"legend": {"labelLimit": 260, "columns": max(1, int(look.width // entry))}}
    return {"field": "d", "type": "nominal", "scale": scale, **legend}


def axis_format(measure: Measure | None, title: str) -> dict[str, Any]:
    """Title, grid, ticks and number format of a measure's axis."""
    return {"title": title, "grid": True, "tickCount": 5, "format": tick_format(measure)}


def tick_format(measure: Measure | None) -> str:
    """Percent if the measure is one.

    Without a precision, ticks have as many decimals as the step between them needs.
    """
    return "%" if measure is not None and measure.form == "percent" else "f"


def number_of(value: float) -> float | None:
    """A number for a specification, with `DIGITS` digits; None, which is not drawn, if it is not finite."""
    value = float(value)
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
