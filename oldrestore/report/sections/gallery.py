"""The gallery: photographs as each run colours them, and what the page's script sorts them by."""

from __future__ import annotations

import math
from typing import Any

from oldrestore.comparison.rendering import number
from oldrestore.report.contents import Group
from oldrestore.report.images import encode, encode_panel
from oldrestore.report.section import Section, View
from oldrestore.report.words import full_name

SHOWN = 6  # photographs at first


def gallery(view: View) -> Section:
    """Make the section."""
    parts, data = _parts(view.group, view.budget)
    attributes = {"class": "gallery", "data-gallery": view.key}
    body = view.render("gallery", gallery=parts)
    return Section("gallery", "Gallery", body, link="Gallery", data={"gallery": data}, attributes=attributes)


def _parts(group: Group, budget: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the template shows; and for the script, scores of each photograph, and its places in each order."""
    pictures = group.pictures
    encoded = encode(pictures.photographs, budget)
    runs = []
    for run_id, design, seed in pictures.runs:
        nth = sum(1 for _, other, _ in pictures.runs[: len(runs)] if other == design)
        runs.append({"id": run_id, "design": design, "seed": seed, "nth": nth, "name": group.names[design]})
    panels = []
    for panel in pictures.panels:
        uri = encode_panel(panel.path)
        if uri is not None:
            panels.append({"run": panel.run_id, "title": panel.title, "uri": uri[0], "width": uri[1], "height": uri[2]})
    photographs = [
        {
            "name": photo.name,
            "short": photo.name.rpartition("/")[2],
            "uris": uris,
            "height": photo.original.shape[0],
            "width": photo.original.shape[1],
        }
        for photo, uris in zip(pictures.photographs, encoded, strict=False)
    ]
    parts = {
        "photographs": photographs,
        "total": pictures.total,
        "runs": runs,
        "seeds": max((run["nth"] for run in runs), default=0) + 1,
        "measures": [(each.measure.name, full_name(each.measure)) for each in pictures.scores],
        "several": len({run["design"] for run in runs}) > 1,
        "shown": min(SHOWN, len(photographs)),
        "panels": panels,
        "missing": _missing(group),
        "left_out": len(pictures.photographs) - len(encoded),
    }
    if not photographs:
        return parts, None
    shown = [photo["name"] for photo in photographs]
    scores = {}
    for each in pictures.scores:
        at = {name: index for index, name in enumerate(each.images)}
        rows = [at.get(name) for name in shown]
        good, apart = each.goodness, each.disagreement
        scores[each.measure.name] = {
            "better": each.measure.better or "",
            "good": [None if row is None else _finite(good[row]) for row in rows],
            "apart": [None if row is None else _finite(apart[row]) for row in rows],
            "text": {
                run: ["" if row is None else number(float(values[row]), each.measure) for row in rows]
                for run, values in each.by_run.items()
            },
        }
    return parts, {"names": shown, "scores": scores, "shown": parts["shown"]}


def _missing(group: Group) -> list[tuple[str, list[str]]]:
    """Reasons why runs coloured nothing, each with its runs."""
    found: dict[str, list[str]] = {}
    for run, reason in group.pictures.missing.items():
        found.setdefault(reason, []).append(run)
    return list(found.items())


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
