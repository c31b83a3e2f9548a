"""Metric against metric: each design's mean with its intervals, and its seeds."""

from __future__ import annotations

import json
import math
from typing import Any

from oldrestore.comparison.baselines import NO_FLOORS
from oldrestore.comparison.measures import Measure
from oldrestore.report.contents import Group
from oldrestore.report.look import Look, by_design, number_of, tick_format, whole
from oldrestore.report.words import full_name

# Vivid colours against true ones: the trade-off between losses.
PREFERRED = (("colorfulness_difference", "auc_rebalanced"), ("psnr", "auc_rebalanced"), ("auc", "auc_rebalanced"))


def default_axes(group: Group) -> tuple[Measure, Measure] | None:
    """The two measures to show first; None if there are not two with figures, or only one design."""
    if len(group.names) < 2:
        return None
    offered = [m for m in group.further if _has(group, m)]
    for pair in PREFERRED:
        axes = [measure for name in pair for measure in offered if measure.name == name]
        if len(axes) == 2:
            return axes[0], axes[1]
    others = [measure for measure in offered if measure.name != group.headline.name]
    return (others[0], group.headline) if others and group.headline in offered else None


def offered_axes(group: Group) -> list[Measure]:
    """Measures that differ between designs, and can be an axis."""
    same = ("orig_accuracy", "gray_accuracy")
    return [measure for measure in group.further if _has(group, measure) and measure.name not in same]


def metrics(group: Group, x: Measure, y: Measure, look: Look) -> dict[str, Any]:
    """Draw measure `y` against measure `x`: means with 95% intervals, and single seeds as small points."""
    return fill(template(group, look), x, y)


def template(group: Group, look: Look) -> dict[str, Any]:
    """The chart for any two measures, with ``@x`` and ``@y`` in place of their names; see `fill`."""
    means, seeds = [], []
    for design, name in enumerate(group.names):
        row: dict[str, Any] = {"d": name, "floor": ""}  # an empty label
        for measure in offered_axes(group):
            cell = group.cell(design, measure.name)
            if cell is not None:
                row[measure.name] = number_of(cell.value)
                row[f"{measure.name} low"], row[f"{measure.name} high"] = number_of(cell.low), number_of(cell.high)
        means.append(row)
        for seed in range(len(group.compared.designs[design].runs)):
            values = {m.name: group.by_seed[m.name][design][seed] for m in offered_axes(group)}
            seeds.append({"d": name, **{key: number_of(value) for key, value in values.items()}})
    # What designs must beat, in a muted colour and with its name.
    floors = {title: cells for title, cells in group.compared.baselines.items() if title not in NO_FLOORS}
    for title, cells in floors.items():
        row = {"d": title, "floor": title}
        for measure in (measure for measure in offered_axes(group) if measure.name in cells):
            row[measure.name] = number_of(cells[measure.name].value)
        means.append(row)
    axes = {
        axis: {
            "type": "quantitative",
            "scale": {"zero": False, "nice": True},
            "axis": {"title": f"@{axis}title", "format": f"@{axis}format", "grid": True, "tickCount": 5},
        }
        for axis in "xy"
    }
    color, shape = by_design(group, look), by_design(group, look, "shape")
    for channel, muted in ((color, look.muted), (shape, "circle")):
        domain, values = channel["scale"]["domain"], channel["scale"]["range"]
        channel["scale"] = {"domain": [*domain, *floors], "range": [*values, *[muted] * len(floors)]}
    named = [
        {"calculate": f"datum['@{axis}{end}']", "as": f"{axis}{end}"} for axis in "xy" for end in ("", " low", " high")
    ]
    valid = {"filter": "isValid(datum.x) && isValid(datum.y)"}
    bars = []
    for axis, other in (("x", "y"), ("y", "x")):
        ends = {axis: {"field": f"{axis} low", **axes[axis]}, f"{axis}2": {"field": f"{axis} high"}}
        encoding = {**ends, other: {"field": other, **axes[other]}, "color": color}
        bars.append({"mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55}, "encoding": encoding})
    at = {"x": {"field": "x", **axes["x"]}, "y": {"field": "y", **axes["y"]}, "color": color, "shape": shape}
    layers = [*bars]
    if floors and look.interactive:
        label = {"type": "text", "align": "left", "dx": 9, "color": look.muted}
        layers.append({"mark": label, "encoding": {"x": at["x"], "y": at["y"], "text": {"field": "floor"}}})
    if group.has_seeds:
        small = {"type": "point", "filled": True, "size": 18, "opacity": 0.6}
        layers.append({"data": {"values": seeds}, "transform": [*named, valid], "mark": small, "encoding": at})
    tooltip = [{"field": "d", "title": "design", "type": "nominal"}]
    tooltip += [{"field": axis, "title": f"@{axis}title", "type": "quantitative", "format": ".4~g"} for axis in "xy"]
    points = {**at, **({"tooltip": tooltip} if look.interactive else {})}
    layers.append({"mark": {"type": "point", "filled": True, "size": 130, "opacity": 1}, "encoding": points})
    return whole(
        look, {"data": {"values": means}, "transform": [*named, valid], "layer": layers}, height=look.height + 60
    )


def fill(spec: dict[str, Any], x: Measure, y: Measure) -> dict[str, Any]:
    """Put two measures into `template`, as the page's script does."""
    text = json.dumps(spec)
    for axis, measure in (("x", x), ("y", y)):
        chosen = axis_of(measure)
        for part in ("title", "format"):
            text = text.replace(f'"@{axis}{part}"', json.dumps(chosen[part]))
        # Within a string of JSON, within one of Vega's.
        name = measure.name.replace("\\", "\\\\").replace("'", "\\'")
        text = text.replace(f"@{axis}", json.dumps(name)[1:-1])
    return json.loads(text)


def axis_of(measure: Measure) -> dict[str, str]:
    """Title and format of a measure's axis; the title says which way is better."""
    way = {"max": " (higher is better)", "min": " (lower is better)"}.get(measure.better or "", "")
    return {"title": full_name(measure) + way, "format": tick_format(measure)}


def _has(group: Group, measure: Measure) -> bool:
    cells = [group.cell(design, measure.name) for design in range(len(group.names))]
    return any(cell is not None and math.isfinite(cell.value) for cell in cells)
