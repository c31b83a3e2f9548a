"""Charts of a report as Vega-Lite specifications: the page embeds them, and figures for papers are drawn from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from oldrestore.comparison.baselines import MEAN, NO_FLOORS, TINT
from oldrestore.comparison.measures import Measure
from oldrestore.comparison.rendering import MARK_WORDS, number
from oldrestore.evaluation.baseline_scores import CEILINGS
from oldrestore.report.ab_chart import ab_plane
from oldrestore.report.contents import JUDGED_CURVE, Group
from oldrestore.report.look import Look, axis_format, bars_height, by_design, number_of, whole
from oldrestore.report.scatter_chart import default_axes, metrics
from oldrestore.report.series import Series
from oldrestore.report.words import full_name
from oldrestore.tables import percent

Spec = dict[str, Any]
FIRST_SHARE = 0.1  # of a curve: losses of different kinds are divided by its mean


def figures_of(group: Group) -> dict[str, Callable[[Look], Spec]]:
    """Charts that a group has data for (more than a point), by name: each a function of the look."""
    charts: dict[str, Callable[[Look], Spec]] = {}
    drawn = [v for seeds in group.by_seed[group.headline.name] for v in seeds if math.isfinite(v)]
    if len(drawn) > 1:
        charts["forest"] = partial(forest, group)
    for series in (one for one in group.losses if one.longest > 1):
        charts[series.name.replace("/", "_")] = partial(curves, group, series)
    over_iterations = group.one(JUDGED_CURVE)
    if over_iterations is not None and over_iterations.longest > 1 and group.judged:
        charts["accuracy_over_iterations"] = partial(accuracy_over_iterations, group)
    if group.judged:
        charts["accuracy"] = partial(accuracy_bars, group)
    axes = default_axes(group)
    if axes is not None:
        charts["metrics"] = partial(metrics, group, *axes)
    if group.pictures.plane is not None:
        charts["ab_plane"] = partial(ab_plane, group)
    return charts


def forest(group: Group, look: Look) -> Spec:
    """The verdict's measure of every design: mean, 95% interval, each seed as a small point, and a line at the best."""
    measure, rows, seeds, best = group.headline, [], [], None
    for design, name in enumerate(group.names):
        cell = group.cell(design, measure.name)
        if cell is None or not math.isfinite(cell.value):
            continue
        ends = {"l": number_of(cell.low), "h": number_of(cell.high)}
        rows.append({"d": name, "v": cell.value, **ends, "mark": MARK_WORDS[cell.mark]})
        seeds += [{"d": name, "v": value} for value in group.by_seed[measure.name][design] if math.isfinite(value)]
        best = cell.value if cell.mark == "best" else best
    beside = _beside(group, measure)
    order = [*group.names, *(row["d"] for row in beside)]
    y = {"field": "d", "type": "nominal", "sort": order, "title": None, "axis": _names_axis(look)}
    x = {"type": "quantitative", "scale": {"zero": False}, "axis": axis_format(measure, full_name(measure))}
    layers: list[Spec] = []
    if best is not None:
        rule = {"type": "rule", "color": look.muted, "strokeDash": [3, 3]}
        layers.append({"data": {"values": [{"v": best}]}, "mark": rule, "encoding": {"x": {"field": "v", **x}}})
    # The names of the designs are on the axis.
    color, shape = ({**by_design(group, look, of), "legend": None} for of in ("color", "shape"))
    whiskers = {"y": y, "x": {"field": "l", **x}, "x2": {"field": "h"}, "color": color}
    layers.append({"mark": {"type": "rule", "strokeWidth": 2}, "encoding": whiskers})
    if group.has_seeds:
        tick = {"type": "tick", "thickness": 1.5, "size": 12, "opacity": 0.55}
        shown = {"y": y, "x": {"field": "v", **x}, "color": color}
        layers.append({"data": {"values": seeds}, "mark": tick, "encoding": shown})
    dots = {**whiskers, "x": {"field": "v", **x}, "shape": shape}
    del dots["x2"]
    if look.interactive:
        dots["tooltip"] = _tooltip(measure, ("d", "design"), ("v", "mean"), ("l", "from"), ("h", "to"), ("mark", " "))
    layers.append({"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}, "encoding": dots})
    if beside:
        rule = {"type": "rule", "strokeWidth": 1.5, "color": look.muted, "opacity": 0.7}
        ends = {"y": y, "x": {"field": "l", **x}, "x2": {"field": "h"}}
        means = {"y": y, "x": {"field": "v", **x}, **({"tooltip": dots["tooltip"][:4]} if look.interactive else {})}
        point = {"type": "point", "filled": False, "size": 60, "color": look.muted, "opacity": 1}
        layers += [
            {"data": {"values": beside}, "mark": mark, "encoding": at} for mark, at in ((rule, ends), (point, means))
        ]
    return whole(look, {"data": {"values": rows}, "layer": layers}, height=bars_height(look, len(order)))


def curves(group: Group, series: Series, look: Look, relative: bool | None = None, title: str | None = None) -> Spec:
    """One logged name over iterations: a line for each design, and a band from its lowest to its highest seed.

    With `relative`, by default for losses that are different functions, each curve is divided by its mean over the
    first tenth of its points. `title` is that of the vertical axis.
    """
    measure = group.measured(series)
    is_loss = series in group.losses
    relative = is_loss and group.loss_differs if relative is None else relative
    named = group.title_of(series)
    title = title or (named.capitalize() if is_loss else named)
    values = []
    for band in series.bands:
        first = band.mean[: max(1, math.ceil(FIRST_SHARE * len(band.mean)))]
        scale = float(first.mean()) if relative and first.mean() else 1.0
        for at, mean, low, high in zip(band.iterations, band.mean, band.low, band.high, strict=True):
            if math.isfinite(mean):
                row = {"i": int(at), "m": mean / scale, "l": low / scale, "h": high / scale}
                values.append({"d": group.names[band.design], **{k: number_of(v) for k, v in row.items()}})
    title = f"{title} / its mean at the start" if relative else title
    layers = _bands(group, look, title, measure, series)
    if measure is not None and series.name != JUDGED_CURVE:
        marks, labels = _levels(look, [(row["d"], row["v"], look.muted) for row in _beside(group, measure)], measure)
        layers = [*marks, *layers, *labels]
    return whole(look, {"data": {"values": values}, "layer": layers})


def accuracy_over_iterations(group: Group, look: Look) -> Spec:
    """Accuracy on recoloured photographs over iterations, between that on originals and that on gray ones."""
    series = group.one(JUDGED_CURVE)
    spec = curves(group, series, look, relative=False, title="photographs recognised")
    cells = next(cells for cells in _with(group, "orig_accuracy"))
    levels = [
        ("originals", cells["orig_accuracy"].value, look.original),
        ("gray photographs", cells["gray_accuracy"].value, look.muted),
    ]
    tint = group.baseline(TINT, "iter_accuracy")
    levels += [] if tint is None else [(TINT, tint.value, look.muted)]
    marks, labels = _levels(look, levels, group.measure("iter_accuracy"))
    spec["layer"] = [*marks, *spec["layer"], *labels]
    return spec


def _beside(group: Group, measure: Measure) -> list[dict[str, Any]]:
    """Rows of what designs must beat, with their intervals."""
    rows = []
    for title, cells in group.compared.baselines.items():
        cell = cells.get(measure.name)
        if title not in NO_FLOORS and cell is not None and math.isfinite(cell.value):
            rows.append({"d": title, "v": cell.value, "l": number_of(cell.low), "h": number_of(cell.high)})
    return rows


def _levels(look: Look, levels: list[tuple[str, float, str]], measure: Measure) -> tuple[list[Spec], list[Spec]]:
    """Dashed lines across a chart over iterations, and their labels: of equal values one, with all their names."""
    marks, labels = [], []
    named: dict[str, list[tuple[str, float, str]]] = {}
    for level in levels:
        named.setdefault(number(level[1], measure), []).append(level)
    for text, same in named.items():
        _, height, color = same[0]
        y = {"field": "v", "type": "quantitative"}
        value = [{"v": height, "label": f"{', '.join(name for name, _, _ in same)} {text}"}]
        rule = {"type": "rule", "color": color, "strokeDash": [5, 4], "strokeWidth": 1.5}
        marks.append({"data": {"values": value}, "mark": rule, "encoding": {"y": y}})
        right = same[0][0] == TINT  # it often lies near gray
        side = {"align": "right", "dx": -4} if right else {"align": "left", "dx": 4}
        written = {"type": "text", **side, "baseline": "bottom", "dy": -3, "color": color}
        labelled = {"y": y, "x": {"value": "width" if right else 0}, "text": {"field": "label"}}
        # A rim of the background keeps curves that run through it off the letters.
        rim = {**written, "stroke": look.surface or "var(--card)", "strokeWidth": 4, "strokeJoin": "round"}
        labels += [{"data": {"values": value}, "mark": kind, "encoding": labelled} for kind in (rim, written)]
    return marks, labels


def accuracy_bars(group: Group, look: Look) -> Spec:
    """What the judge recognises: originals, what each design recoloured, and gray photographs, with 95% intervals.

    What needs no network is the same for all designs: one bar each. A dashed line marks the end of the bar of gray
    photographs.
    """
    names = {"orig_accuracy": "originals", "gray_accuracy": "gray photographs"}
    shared = next(iter(_with(group, "orig_accuracy")))
    beside = {title: cells.get("iter_accuracy") for title, cells in group.compared.baselines.items()}
    ceilings, tints = ({t: beside[t] for t in titles if beside.get(t)} for titles in (CEILINGS, (MEAN, TINT)))
    order = [names["orig_accuracy"], *ceilings, *group.names, names["gray_accuracy"], *tints]
    originals, grays = [look.original] * (1 + len(ceilings)), [look.gray] * (1 + len(tints))
    colors = [*originals, *(look.color(design) for design in range(len(group.names))), *grays]
    designs = (cells.get("iter_accuracy") for cells in group.compared.cells)
    cells = [shared["orig_accuracy"], *ceilings.values(), *designs, shared["gray_accuracy"], *tints.values()]
    rows = []
    for name, cell in zip(order, cells, strict=True):
        if cell is not None:
            ends = {"l": number_of(cell.low), "h": number_of(cell.high)}
            end = ends["h"] if ends["h"] is not None else cell.value  # position of the printed number
            rows.append({"d": name, "v": cell.value, **ends, "end": end, "text": percent(cell.value)})
    y = {"field": "d", "type": "nominal", "sort": order, "title": None, "axis": _names_axis(look)}
    axis = {"format": ".0%", "title": "photographs recognised", "grid": True, "tickCount": 5}
    x = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis}
    color = {"field": "d", "type": "nominal", "scale": {"domain": order, "range": colors}, "legend": None}
    bar: Spec = {"y": y, "x": {"field": "v", **x}, "color": color}
    if look.interactive:
        accuracy = group.measure("iter_accuracy")
        bar["tooltip"] = _tooltip(accuracy, ("d", "photographs"), ("v", "recognised"), ("l", "from"), ("h", "to"))
    rule = {"type": "rule", "color": look.ink, "strokeWidth": 1.5}
    text = {"type": "text", "align": "left", "dx": 6}
    level = {"type": "rule", "color": look.muted, "strokeDash": [3, 3]}
    gray = {"data": {"values": [{"v": shared["gray_accuracy"].value}]}, "mark": level}
    layers = [
        {"mark": {"type": "bar", "cornerRadiusEnd": 2, "height": {"band": 0.66}}, "encoding": bar},
        {**gray, "encoding": {"x": {"field": "v", **x}}},
        {"mark": rule, "encoding": {"y": y, "x": {"field": "l", **x}, "x2": {"field": "h"}}},
        {"mark": text, "encoding": {"y": y, "x": {"field": "end", **x}, "text": {"field": "text"}}},
    ]
    return whole(look, {"data": {"values": rows}, "layer": layers}, height=bars_height(look, len(rows)))


def _bands(group: Group, look: Look, title: str, measure: Measure | None, series: Series) -> list[Spec]:
    """Layers of a chart over iterations, of rows with `i`, `m`, `l`, `h` and `d`."""
    x = {"field": "i", "type": "quantitative", "title": "iteration", "axis": {"format": "~s", "tickCount": 6}}
    y_axis = axis_format(measure, title)
    y = {"type": "quantitative", "scale": {"zero": False}, "axis": y_axis}
    color, dash = by_design(group, look), by_design(group, look, "strokeDash")
    layers: list[Spec] = []
    several = any(band.seeds.max(initial=0) > 1 for band in series.bands)
    if several:
        low, high = {"field": "l", **y}, {"field": "h"}
        area = {"x": x, "y": low, "y2": high, "color": color}
        layers.append({"mark": {"type": "area", "opacity": 0.16}, "encoding": area})
    line = {"x": x, "y": {"field": "m", **y}, "color": color, "strokeDash": dash}
    layers.append({"mark": {"type": "line", "strokeWidth": 2, "strokeJoin": "round"}, "encoding": line})
    shaped = {**line, "shape": by_design(group, look, "shape")}
    del shaped["strokeDash"]
    point = {"type": "point", "filled": True, "size": 55, "opacity": 1}
    few = series.longest <= 12
    # Where points would hide the line, the last one alone tells designs apart without colour.
    last = {"transform": [{"joinaggregate": [{"op": "max", "field": "i", "as": "end"}], "groupby": ["d"]}]}
    last["transform"].append({"filter": "datum.i === datum.end"})
    layers.append({**({} if few else last), "mark": point, "encoding": shaped})
    if look.interactive:
        hover = {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"}
        seen = {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 0}
        spread = (("l", "lowest seed"), ("h", "highest seed"))
        fields = (("d", "design"), ("i", "iteration"), ("m", title), *(spread if several else ()))
        shown = {**shaped, "opacity": seen, "tooltip": _tooltip(measure, *fields)}
        layers.append(
            {"params": [{"name": "hover", "select": hover}], "mark": {**point, "size": 80}, "encoding": shown}
        )
    return layers


def _names_axis(look: Look) -> Spec:
    # A long name has two lines; in `replace`, a text stands for its first occurrence only.
    long = "length(datum.label) > 26 && indexof(datum.label, ', ') > 0"
    lines = rf"{long} ? split(replace(datum.label, ', ', ',\n'), '\n') : datum.label"
    offset = {"condition": {"test": long, "value": -look.font_size / 2}, "value": 0}
    return {"labelColor": look.ink, "labelLimit": 220, "labelPadding": 8, "labelExpr": lines, "labelOffset": offset}


def _tooltip(measure: Measure | None, *fields: tuple[str, str]) -> list[Spec]:
    words = ("d", "mark")
    form = ".1%" if measure is not None and measure.form == "percent" else ".4~g"
    entries = []
    for field, title in fields:
        if field in words:
            entries.append({"field": field, "title": title, "type": "nominal"})
        else:
            numeric = {"field": field, "title": title, "type": "quantitative"}
            entries.append({**numeric, "format": "d" if field == "i" else form})
    return entries


def _with(group: Group, name: str) -> list[dict]:
    return [cells for cells in group.compared.cells if name in cells]
