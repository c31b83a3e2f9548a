"""How charts look: colours, letters and sizes, on a page that knows light and dark, and on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

# Told apart also without colour: the shape of a design's points, and beyond eight designs the dashes of its lines.
BAR = "M-0.38,-1H0.38V1H-0.38Z"  # a path: Vega's own "stroke" is a line, and nothing where marks are filled
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", BAR, "triangle-right")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])


@dataclass(frozen=True)
class Look:
    """Colours, letters and sizes of charts."""

    ink: str  # text and important marks; this and the next are CSS colours
    muted: str  # other text
    grid: str
    surface: str | None  # background
    original: str  # photographs of the originals, and gray ones: no designs
    gray: str
    designs: tuple[str, ...]  # used again after the last
    font: str
    font_size: float  # pixels; on paper, points
    width: int | Literal["container"]  # of the whole chart
    height: int  # of a chart over iterations
    legend: bool  # in each chart
    interactive: bool  # tooltips, and marks that follow the pointer

    def color(self, design: int) -> str:
        """Colour of a design, from 0."""
        return self.designs[design % len(self.designs)]

    def shape(self, design: int) -> str:
        """Shape of a design's points; when the colours repeat, each is combined with another shape."""
        return SHAPES[(design + design // len(self.designs)) % len(SHAPES)]

    def dash(self, design: int) -> list[int]:
        """Dashes of a design's lines."""
        return DASHES[design // len(self.designs) % len(DASHES)]

    def config(self) -> dict[str, Any]:
        """Vega-Lite configuration."""
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
            "legend": {**text, **sizes, "orient": "top", "title": None, "symbolStrokeWidth": 2, "symbolOpacity": 1},
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
)
