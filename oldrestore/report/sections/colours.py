"""Which colours the designs use, in the ab plane."""

from __future__ import annotations

import numpy as np

from oldrestore.report.ab_chart import ab_panel
from oldrestore.report.ab_plane import AbPlane
from oldrestore.report.contents import Group
from oldrestore.report.look import SCREEN
from oldrestore.report.section import ChartWords, Section, View


def colours(view: View) -> Section:
    """Make the section: histograms of the originals and of each design."""
    group, plane = view.group, view.group.pictures.plane
    if plane is None:
        return Section("colours", "Colours used", view.render("colours", words=None))
    specs = {"ab-truth": ab_panel(group, None, SCREEN)}
    for design, predicted in enumerate(plane.predicted):
        if predicted is not None:
            specs[f"ab-{design}"] = ab_panel(group, design, SCREEN)
    body = view.render("colours", words=plane_words(group))
    return Section("colours", "Colours used", body, link="Colours", specs=specs)


def plane_words(group: Group) -> ChartWords:
    """Of the colours in the ab plane."""
    plane = group.pictures.plane
    rows = [["originals", "", f"{_mean_chroma(plane, plane.truth):.1f}"]]
    for name, predicted, overlap in zip(group.names, plane.predicted, plane.overlap, strict=True):
        if predicted is not None:
            rows.append([name, f"{100 * overlap:.0f}%", f"{_mean_chroma(plane, predicted):.1f}"])
    several = any(sum(d == design for _, d, _ in group.pictures.runs) > 1 for design in range(len(group.names)))
    over_seeds = ", averaged over seeds" if several else ""
    note = (
        f"Shares of the pixels of {plane.photographs} validation photographs, evenly spread over the names, in cells "
        f"of 5 by 5 Lab units{over_seeds}. The stronger a cell, the larger its share, on a logarithmic scale; shares "
        "below 1 in 100,000 are not drawn. The line encloses 95% of the originals' pixels. The overlap "
        "is what two histograms have in common: it asks whether the same colours are used as often, not whether they "
        "stand in the right place."
    )
    told = "; ".join(f"{row[0]}: overlap with the originals {row[1]}" for row in rows[1:])
    headings = ["", "overlap with the originals", "mean chroma, Lab units"]
    return ChartWords("Colours used", note, f"Histograms in the ab plane. {told}.", headings, rows)


def _mean_chroma(plane: AbPlane, share: np.ndarray) -> float:
    middle = (plane.edges[1:] + plane.edges[:-1]) / 2
    return float((share * np.hypot(middle[:, None], middle[None, :])).sum())
