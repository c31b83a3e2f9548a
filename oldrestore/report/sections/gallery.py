"""The gallery: photographs as each run colours them, within a budget of bytes, and what the page's script needs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oldrestore.comparison.rendering import number
from oldrestore.report.contents import Group
from oldrestore.report.look import number_of
from oldrestore.report.pictures import Photograph
from oldrestore.report.section import Section, View
from oldrestore.report.words import full_name

SHOWN = 6  # photographs at first
# Side in pixels and quality of WebP, tried in turn until the budget holds.
LEVELS = ((256, 84), (256, 72), (224, 70), (192, 68), (160, 64), (128, 58))
SAMPLE = 4  # photographs that a level is estimated by
PANEL_WIDTH = 1100  # pixels


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
            "good": [None if row is None else number_of(good[row]) for row in rows],
            "apart": [None if row is None else number_of(apart[row]) for row in rows],
            "text": {
                run: ["" if row is None else number(float(values[row]), each.measure) for row in rows]
                for run, values in each.by_run.items()
            },
        }
    return parts, {"names": shown, "scores": scores, "shown": parts["shown"]}


def _missing(group: Group) -> list[tuple[str, list[str]]]:
    """Reasons why runs coloured nothing, each with its runs."""
    reasons: dict[str, list[str]] = {}
    for run, reason in group.pictures.missing.items():
        reasons.setdefault(reason, []).append(run)
    return list(reasons.items())


def encode(photographs: Sequence[Photograph], budget: int) -> list[dict[str, str]]:
    """Encode photographs as ``data:`` URIs, for each by ``input``, ``original`` and run id.

    `budget` is in bytes, for all together. If even the smallest pictures are too many, the last ones are left out.
    """
    if not photographs:
        return []
    sample = photographs[:: max(1, len(photographs) // SAMPLE)][:SAMPLE]
    for side, quality in LEVELS:
        size = sum(len(uri) for photo in sample for uri in _uris(photo, side, quality).values())
        if size * len(photographs) / len(sample) <= 0.9 * budget:
            break
    encoded: list[dict[str, str]] = []
    left = budget
    for photo in photographs:
        uris = _uris(photo, side, quality)
        left -= sum(map(len, uris.values()))
        if left < 0 and encoded:
            break
        encoded.append(uris)
    return encoded


def encode_panel(path: Path) -> tuple[str, int, int] | None:
    """A panel as a ``data:`` URI with its width and height; None if it cannot be read."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    if picture.width > PANEL_WIDTH:
        height = max(1, round(picture.height * PANEL_WIDTH / picture.width))
        picture = picture.resize((PANEL_WIDTH, height), Image.Resampling.LANCZOS)
    return _uri(picture, 75), picture.width, picture.height


def _uris(photo: Photograph, side: int, quality: int) -> dict[str, str]:
    pictures = {"input": photo.gray, **photo.outputs, "original": photo.original}
    return {name: _uri(_at_most(rgb, side), quality) for name, rgb in pictures.items()}


def _at_most(rgb: np.ndarray, side: int) -> Image.Image:
    picture = Image.fromarray(rgb)
    longest = max(picture.size)
    if longest <= side:
        return picture
    size = tuple(max(1, round(length * side / longest)) for length in picture.size)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _uri(picture: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="webp", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
