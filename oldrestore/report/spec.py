"""Parts that chart specifications share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from oldrestore.comparison.measures import Measure
from oldrestore.report.look import Look

if TYPE_CHECKING:
    from oldrestore.report.contents import Group

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
VERSION = "6.4"  # of Vega-Lite that vl-convert is asked for, here and in the page's bundle
DIGITS = 6  # significant, of numbers that are drawn: the tables have them in full


def whole(look: Look, parts: dict[str, Any], height: int | None = None) -> dict[str, Any]:
    """Complete a specification with the size and configuration of a look."""
    size = {"width": look.width, "height": look.height if height is None else height}
    return {
        "$schema": SCHEMA,
        **size,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 4,
        **parts,
        "config": look.config(),
    }


def bars_height(look: Look, rows: int) -> int:
    """Height of a chart with one row for each name and an axis below."""
    step, axis = (32, 58) if look.interactive else (20, 44)
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
