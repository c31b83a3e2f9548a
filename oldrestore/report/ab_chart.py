"""The ab plane: which colours originals have and which designs predict, drawn in these colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from oldrestore.color.lab import lab_to_rgb, rgb_to_lab
from oldrestore.report.ab_plane import AbPlane
from oldrestore.report.contents import Group
from oldrestore.report.look import PADDING, SCHEMA, Look, whole

SIDE = 152  # pixels of a panel of the page
FAINTEST = 1e-5  # share of pixels that is just seen
ENCLOSED = 0.95  # share of the originals' pixels within the line
LIGHTNESSES = (66.0, 72.0, 60.0, 78.0, 54.0, 84.0, 48.0, 90.0, 40.0, 32.0)


def ab_plane(group: Group, look: Look) -> dict[str, Any]:
    """Panels of the originals and of every design, side by side."""
    plane = group.pictures.plane
    designs = [design for design, predicted in enumerate(plane.predicted) if predicted is not None]
    parts = [_panel(plane, None, "originals", look)]
    for design in designs:
        parts.append(_panel(plane, design, [group.names[design], f"overlap {100 * plane.overlap[design]:.0f}%"], look))
    side = 118 if look.width == "container" else max(80, int(look.width) // 3 - 26)
    parts = [{**part, "width": side, "height": side} for part in parts]
    whole_size = {"$schema": SCHEMA, "padding": PADDING, "concat": parts, "columns": 3, "spacing": 12}
    return {**whole_size, "config": look.config()}


def ab_panel(group: Group, design: int | None, look: Look) -> dict[str, Any]:
    """One panel: of a design, or of the originals (None)."""
    spec = whole(look, _panel(group.pictures.plane, design, None, look), height=SIDE)
    return {**spec, "width": SIDE, "height": SIDE, "autosize": "pad"}


def _panel(plane: AbPlane, design: int | None, title: str | list[str] | None, look: Look) -> dict[str, Any]:
    share = plane.truth if design is None else plane.predicted[design]
    reach = _reach(plane)
    axis = {"values": [-100, -50, 0, 50, 100], "grid": True, "labelPadding": 3, "titlePadding": 3}
    titles = ("a: green to red", "b: blue to yellow")
    if not look.interactive:  # on paper panels are small, and the caption has room for words
        axis["values"], titles = ([-100, 0, 100] if reach >= 100 else [-50, 0, 50]), ("a", "b")
    scale = {"domain": [-reach, reach], "nice": False}
    x = {"field": "a", "type": "quantitative", "scale": scale, "axis": {**axis, "title": titles[0]}}
    y = {"field": "b", "type": "quantitative", "scale": scale, "axis": {**axis, "title": titles[1]}}
    ends = {"x": x, "x2": {"field": "a2"}, "y": y, "y2": {"field": "b2"}}
    fill = {"fill": {"field": "c", "type": "nominal", "scale": None}}
    seen = {"opacity": {"field": "o", "type": "quantitative", "scale": None}}
    cells: dict[str, Any] = {**ends, **fill, **seen}
    if look.interactive:
        cells["tooltip"] = [
            {"field": "a", "title": "a from", "type": "quantitative"},
            {"field": "b", "title": "b from", "type": "quantitative"},
            {"field": "p", "title": "share of pixels", "type": "quantitative", "format": ".2~%"},
        ]
    layers = [{"data": {"values": _cells(plane, share)}, "mark": {"type": "rect"}, "encoding": cells}]
    if design is not None:
        rule = {"type": "rule", "color": look.ink, "strokeWidth": 1, "opacity": 0.8}
        layers.append({"data": {"values": _outline(plane)}, "mark": rule, "encoding": ends})
    return {**({"title": title} if title else {}), "layer": layers}


def _reach(plane: AbPlane) -> float:
    """Range of the panels on both axes: as far as any has colours, and at least 50."""
    every = np.max([plane.truth, *(one for one in plane.predicted if one is not None)], axis=0)
    rows, columns = np.nonzero(every >= FAINTEST)
    used = np.concatenate([rows, rows + 1, columns, columns + 1])
    furthest = float(np.abs(plane.edges[used]).max()) if len(used) else 0.0
    return max(50.0, furthest)


def _cells(plane: AbPlane, share: np.ndarray) -> list[dict[str, Any]]:
    step = plane.edges[1] - plane.edges[0]
    rows, columns = np.nonzero(share >= FAINTEST)
    strength = np.log10(share[rows, columns] / FAINTEST) / -np.log10(FAINTEST * 10)
    colors = plane_colors(plane.edges[rows] + step / 2, plane.edges[columns] + step / 2)
    return [
        {
            "a": float(plane.edges[i]),
            "a2": float(plane.edges[i] + step),
            "b": float(plane.edges[j]),
            "b2": float(plane.edges[j] + step),
            "p": float(f"{share[i, j]:.3g}"),
            "o": round(float(min(1.0, 0.12 + 0.88 * s)), 2),
            "c": color,
        }
        for i, j, s, color in zip(rows, columns, strength, colors, strict=True)
    ]


def _outline(plane: AbPlane) -> list[dict[str, float]]:
    """Edges around the fewest cells that hold `ENCLOSED` of the originals' pixels."""
    order = np.sort(plane.truth.ravel())[::-1]
    least = order[min(np.searchsorted(np.cumsum(order), ENCLOSED), len(order) - 1)]
    inside = np.pad(plane.truth >= max(least, np.finfo(float).tiny), 1)
    edges, lines = plane.edges, []
    for i, j in zip(*np.nonzero(inside[1:, :] != inside[:-1, :]), strict=True):  # from one a to the next
        if 1 <= j <= len(edges) - 1:
            lines.append((edges[i], edges[i], edges[j - 1], edges[j]))
    for i, j in zip(*np.nonzero(inside[:, 1:] != inside[:, :-1]), strict=True):
        if 1 <= i <= len(edges) - 1:
            lines.append((edges[i - 1], edges[i], edges[j], edges[j]))
    return [dict(zip(("a", "a2", "b", "b2"), map(float, line), strict=True)) for line in lines]


def plane_colors(a: np.ndarray, b: np.ndarray) -> list[str]:
    """Colours of points of the ab plane as ``#rrggbb``, at a medium lightness at which sRGB has them."""
    if len(a) == 0:
        return []
    candidates = np.stack([np.stack([np.full_like(a, L), a, b], axis=-1) for L in LIGHTNESSES]).astype(np.float32)
    rgb = lab_to_rgb(candidates)  # colours outside sRGB are clipped, and differ when converted back
    off = np.abs(rgb_to_lab(rgb) - candidates).max(axis=-1)
    # The first lightness at which the colour is in sRGB, or else the nearest.
    fits = off < 1.0
    chosen = np.where(fits.any(axis=0), fits.argmax(axis=0), off.argmin(axis=0))
    picked = np.round(255 * rgb[chosen, np.arange(len(a))]).astype(int)
    return [f"#{r:02x}{g:02x}{blue:02x}" for r, g, blue in picked]
