"""Charts of a search: parallel coordinates of its trials, and the importance of each setting."""

from __future__ import annotations

from typing import Any

from oldrestore.report.look import Look, bars_height, number_of, whole
from oldrestore.report.searched import Searched

CATCH = 8  # width in pixels of the invisible line that shows a trial's tooltip


def parallel(searched: Searched, look: Look) -> dict[str, Any]:
    """Parallel coordinates: a line for each trial, the better the stronger; the best in another colour, drawn last."""
    axes = [*searched.axes, searched.metric]
    titles = [axis.title for axis in axes]
    rows, marks = [], []
    order = sorted(range(len(searched.numbers)), key=lambda trial: searched.metric.places[trial])
    for rank, trial in enumerate(order):
        told = {axis.title: axis.texts[trial] for axis in axes}
        kind = "best" if trial == searched.best else "other"
        row = {"t": searched.numbers[trial], "k": rank, "best": kind, "g": number_of((rank + 1) / len(order))}
        for place, axis in enumerate(axes):
            rows.append({**row, **told, "p": axis.title, "i": place, "y": number_of(axis.places[trial])})
    for axis in axes:
        marks += [{"p": axis.title, "y": place, "text": text} for place, text in axis.marks.items()]
    labels = {"labelColor": look.ink, "labelAngle": 0, "labelLimit": 150, "orient": "bottom", "labelPadding": 8}
    # A line for each part of a dotted name, so that they stand beside one another on a telephone.
    labels["labelExpr"] = "split(datum.label, regexp('[./]|_(?=.)'))"
    x = {"field": "p", "type": "nominal", "sort": titles, "title": None, "axis": labels}
    x["scale"] = {"type": "point", "padding": 0.5}
    y = {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [-0.06, 1.06], "nice": False}}
    color = {"field": "best", "scale": {"domain": ["best", "other"], "range": [look.designs[1], look.designs[0]]}}
    color |= {"type": "nominal", "legend": None}
    strength = {"field": "g", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0.15, 0.9]}, "legend": None}
    width = {"condition": {"test": "datum.best === 'best'", "value": 3}, "value": 1.5}
    # Along a line, in the order of the axes; lines in that of their ranks.
    line = {
        "x": x,
        "y": y,
        "detail": {"field": "k", "type": "ordinal"},
        "order": {"field": "i", "type": "quantitative"},
    }
    drawn = {"mark": {"type": "line"}, "encoding": {**line, "color": color, "opacity": strength, "strokeWidth": width}}
    rule = {"mark": {"type": "rule", "color": look.grid}, "encoding": {"x": x}}
    text = {"type": "text", "align": "left", "dx": 6, "color": look.muted, "stroke": None}
    rim = {**text, "stroke": look.surface or "var(--card)", "strokeWidth": 4, "strokeJoin": "round"}
    written = {"x": x, "y": y, "text": {"field": "text"}}
    layers = [{"data": {"values": [{"p": title} for title in titles]}, **rule}, drawn]
    layers += [{"data": {"values": marks}, "mark": kind, "encoding": written} for kind in (rim, text)]
    if look.interactive:
        caught = {"type": "line", "strokeWidth": CATCH, "opacity": 0}
        fields = [{"field": "t", "title": "trial", "type": "nominal"}]
        # A dot or a bracket in a field's name would be a path.
        fields += [{"field": escaped(title), "title": title, "type": "nominal"} for title in titles]
        layers.append({"mark": caught, "encoding": {**line, "tooltip": fields}})
    return whole(look, {"data": {"values": rows}, "layer": layers}, height=look.height + 60)


def importances(searched: Searched, look: Look) -> dict[str, Any]:
    """Share of what makes trials good that each setting accounts for."""
    rows = [{"p": name, "v": number_of(value), "text": f"{value:.0%}"} for name, value in searched.importances.items()]
    axis = {"labelColor": look.ink, "labelLimit": 220, "labelPadding": 8}
    y = {"field": "p", "type": "nominal", "sort": list(searched.importances), "title": None, "axis": axis}
    x = {"field": "v", "type": "quantitative", "axis": {"format": ".0%", "title": "importance", "tickCount": 5}}
    x["scale"] = {"domain": [0, 1]}
    bar = {"type": "bar", "cornerRadiusEnd": 2, "height": {"band": 0.66}, "color": look.designs[0]}
    layers = [
        {"mark": bar, "encoding": {"y": y, "x": x}},
        {"mark": {"type": "text", "align": "left", "dx": 6}, "encoding": {"y": y, "x": x, "text": {"field": "text"}}},
    ]
    return whole(look, {"data": {"values": rows}, "layer": layers}, height=bars_height(look, len(rows)))


def escaped(field: str) -> str:
    """Name of a field for Vega-Lite, which takes dots and brackets for a path."""
    return "".join(f"\\{character}" if character in ".[]'\"\\" else character for character in field)
