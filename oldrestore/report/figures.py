"""Figures and tables for papers: PDF and PNG of each chart, some photographs, LaTeX and Markdown tables."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oldrestore.comparison.latex import latex
from oldrestore.comparison.rendering import markdown
from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.panels import side_by_side
from oldrestore.report.charts import figures_of
from oldrestore.report.choice import evenly_spread
from oldrestore.report.contents import Group, Report
from oldrestore.report.look import PAPER, VERSION, Look
from oldrestore.report.pictures import UNPICKED

PPI = 300  # pixels of a PNG to an inch of the PDF
SIDE = 240  # pixels at least of a photograph in it: 0.8 inches
CLOSE = 2  # points that a chart may be wider than asked for
NARROWEST = 90  # points of a plot
TRIALS = 4  # to make a chart fit


def write_figures(report: Report, folder: Path, say: Callable[[str], None] = lambda text: None) -> list[Path]:
    """Write every figure of a report as PDF and PNG (300 pixels per inch), and its tables; returns the paths.

    Files are named by what they show (``forest.pdf``, ``val_loss.png``, ``table.tex``); with several groups, each
    name begins with the group's number. Files of these names are replaced; nothing else is touched.
    """
    written = []
    for number, group in enumerate(report.groups, start=1):
        prefix = f"{number}_" if len(report.groups) > 1 else ""
        for name, content in _files(report, group):
            path = folder / f"{prefix}{name}"
            try:
                write_atomically(path, content)
            except OSError as error:
                reason = error.strerror or error
                raise UserError(f"figures cannot be written to '{folder}' ({reason}): choose another folder") from None
            written.append(path)
    say(f"{len(written)} files in {folder}")
    return written


def _files(report: Report, group: Group) -> Iterator[tuple[str, str | bytes]]:
    import vl_convert

    for name, draw in figures_of(group).items():
        spec = fitted(draw)
        yield f"{name}.pdf", vl_convert.vegalite_to_pdf(spec, vl_version=VERSION)
        png = vl_convert.vegalite_to_png(spec, vl_version=VERSION, scale=1, ppi=PPI)
        yield f"{name}.png", _opaque(png)
    picture = photographs_of(group)
    if picture is not None:
        image = Image.fromarray(picture)
        pdf, png = io.BytesIO(), io.BytesIO()
        when = report.made.timetuple()
        image.save(pdf, "PDF", resolution=PPI, quality=95, creationDate=when, modDate=when)
        image.save(png, "PNG", dpi=(PPI, PPI))
        yield "photographs.pdf", pdf.getvalue()
        yield "photographs.png", png.getvalue()
    yield "table.tex", latex(group.compared) + "\n"
    yield "table.md", markdown(group.compared).rstrip("\n") + "\n"


def fitted(draw: Callable[[Look], dict[str, Any]]) -> dict[str, Any]:
    """Draw a chart that, with its labels, is no wider than the look says."""
    spec, width = draw(PAPER), PAPER.width
    # Charts with names on an axis are wider than their plots; by how much also depends on the numbers.
    for _ in range(TRIALS):
        wide = _width(spec) - PAPER.width
        if wide <= CLOSE or width - wide < NARROWEST:
            break
        width = int(width - wide)
        spec = draw(replace(PAPER, width=width))
    return spec


def photographs_of(group: Group) -> np.ndarray | None:
    """Photographs in uint8 (H, W, 3): gray, as the first seed of each design colours them, original; may be None."""
    first = {design: run_id for run_id, design, _ in reversed(group.pictures.runs)}
    # Those of the gallery were picked as the worst or the best.
    pictures = group.pictures.unpicked or group.pictures.photographs
    by_name = {photograph.name: photograph for photograph in pictures}
    columns = [design for design in range(len(group.names)) if design in first]
    names = [name for name in by_name if all(first[design] in by_name[name].outputs for design in columns)]
    names = evenly_spread(names, min(UNPICKED, len(names))) if names else []
    if not names or not columns:
        return None
    rows = []
    for photograph in (by_name[name] for name in names):
        outputs = [photograph.outputs[first[design]] for design in columns]
        rows.append([_enlarged(picture) for picture in (photograph.gray, *outputs, photograph.original)])
    titles = ["input", *(group.names[design].replace("_", " ") for design in columns), "original"]
    return side_by_side(rows, titles, margin=8)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    factor = -(-SIDE // min(picture.shape[:2]))
    size = (picture.shape[1] * factor, picture.shape[0] * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _width(spec: dict[str, Any]) -> float:
    """Width of a drawn chart in points."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec, vl_version=VERSION)
    found = re.search(r'<svg[^>]*\swidth="([\d.]+)"', svg)
    assert found is not None, "an SVG says how wide it is"
    return float(found.group(1))


def _opaque(png: bytes) -> bytes:
    """Remove transparency, which some readers print black, and set the resolution."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(buffer, "PNG", dpi=(PPI, PPI), optimize=True)
    return buffer.getvalue()
