"""Comparisons as text for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from oldrestore.comparison.baselines import GRAY, TINT
from oldrestore.comparison.columns import Cell
from oldrestore.comparison.compare import Compared
from oldrestore.comparison.measures import Measure
from oldrestore.evaluation.baseline_scores import CEILINGS, CEILINGS_IN_WORDS
from oldrestore.evaluation.metric_table import directions
from oldrestore.statistics import PairedDifference
from oldrestore.tables import aligned, csv_table, markdown_table, percent, setting

MARKS = {"best": "*", "tied": "~", "": ""}
MARK_WORDS = {"best": "best", "tied": "not distinguishable from the best", "": ""}
PAIRED = ("difference", "95% interval", "p", "p Holm", "effect", "larger on", "detectable")
NOT_MEASURED = "what gray and constant tints score was not measured: oldrestore evaluate RUN does that"
FAMILY = "(5%, Holm over the designs in a column)"
BELOW = "!"  # not significantly better than what needs no network
LEGEND = "* best; ~ not distinguishable from it (5%, Holm over all pairs of designs in a column); 95% intervals"


def terminal(compared: Compared, bold: bool = False, width: int | None = None) -> str:
    """Table with two lines per design, figures and their intervals; never narrower than its content.

    A table wider than `width` columns continues below, with the designs' names again. Without a width, as in a pipe,
    lines are whole.
    """
    headings, rows = _grid(compared)
    lines: list[list[str]] = [headings]
    for index, row in enumerate(rows):
        cells = [compared.cells[index].get(measure.name) for measure in compared.measures]
        start = len(headings) - len(cells) - 1
        lines.append(row[:start] + _marked(compared, cells) + row[-1:])
        below = [interval(c, m) for c, m in zip(cells, compared.measures, strict=True)]
        if any(below):
            lines.append([""] * start + below + [""])
    for title, of_each in compared.baselines.items():
        shown = _marked(compared, [of_each.get(measure.name) for measure in compared.measures])
        lines.append([title, *[""] * (len(headings) - len(shown) - 2), *shown, ""])
    # (Intervals alone are on the lines between: in a part without any, those lines are left out.)
    table = aligned(lines, words=2 + len(compared.unnamed), width=width, bold=bold)
    return "\n".join([table, "", *(wrapped(line, width) for line in _below(compared))])


def markdown(compared: Compared) -> str:
    """Markdown table, one line per design, and the remarks below it as a list."""
    headings, rows = _grid(compared)
    for title, of_each in compared.baselines.items():
        shown = [figure(of_each.get(measure.name), measure).strip() for measure in compared.measures]
        rows.append([title, *[""] * (len(headings) - len(shown) - 2), *shown, ""])
    table = markdown_table([*map(_escaped, headings)], [[*map(_escaped, row)] for row in rows])
    return "\n".join([table, "", *(f"- {_escaped(line)}" for line in _below(compared))])


def csv_text(compared: Compared) -> str:
    """CSV with one row per design: full precision, interval and mark of each figure."""
    rows = []
    for index, design in enumerate(compared.designs):
        row: dict[str, Any] = {"design": index + 1, "name": compared.names[index]}
        row["runs"] = " ".join(run.run_id for run in design.runs)
        row["seeds"] = " ".join(map(str, design.seeds))
        row |= {name: values[index] for name, values in compared.differences.items()}
        row |= _full(compared, compared.cells[index])
        rows.append({**row, "training_seconds": compared.seconds[index]})
    rows += [{"design": title, "name": title, **_full(compared, cells)} for title, cells in compared.baselines.items()]
    return csv_table(rows)


def _full(compared: Compared, cells: Mapping[str, Cell]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in (measure.name for measure in compared.measures):
        cell = cells.get(name)
        for key, value in (("", "value"), ("_low", "low"), ("_high", "high"), ("_n", "n"), ("_mark", "mark")):
            row[name + key] = None if cell is None else getattr(cell, value)
        row[f"{name}_p_holm"] = None if cell is None else cell.p_holm
        if compared.baselines:
            floor = None if cell is None else cell.against_floor
            row[f"{name}_floor"] = floor and floor.floor
            row[f"{name}_above_floor"] = floor and floor.difference.difference
            row[f"{name}_floor_p_holm"] = floor and floor.p_holm
    return row


def differences_from_best(compared: Compared, name: str) -> str:
    """Paired differences of one figure from the best design's, a line each; empty if there are none."""
    measure = next(m for m in compared.measures if m.name == name)
    differing = [
        (i, cells[name]) for i, cells in enumerate(compared.cells) if name in cells and cells[name].against_best
    ]
    if not differing:
        return ""
    best = next(i for i, cells in enumerate(compared.cells) if name in cells and cells[name].mark == "best")
    lines = [["design", *PAIRED]]
    for index, cell in differing:
        lines.append([compared.names[index], *paired(cell.against_best, cell.p_holm, measure)])
    title = f"{measure.heading}: differences from {compared.names[best]}, on the same {differing[0][1].n} photographs"
    return f"{title}\n{aligned(lines, words=1)}"


def differences_from_floor(compared: Compared, name: str) -> str:
    """Paired differences of one figure from the better floor, a line each; empty if there is none."""
    measure = next(m for m in compared.measures if m.name == name)
    cells = [(i, cells[name]) for i, cells in enumerate(compared.cells) if name in cells and cells[name].against_floor]
    if not cells:
        return ""
    lines = [["design", *PAIRED]]
    for index, cell in cells:
        floor = cell.against_floor
        lines.append([compared.names[index], *paired(floor.difference, floor.p_holm, measure)])
    title = f"{measure.heading}: differences from {cells[0][1].against_floor.floor}, which needs no network"
    return f"{title}\n{aligned(lines, words=1)}"


def paired(d: PairedDifference, p_holm: float, measure: Measure) -> list[str]:
    """Difference, interval, both p-values, effect, share of photographs above, smallest detectable difference."""
    around = f"{number(d.low, measure)} to {number(d.high, measure)}"
    sure = [f"{d.p_value:.2g}", f"{p_holm:.2g}", f"{d.effect:+.2f}", percent(d.wins, 0), number(d.detectable, measure)]
    return [number(d.difference, measure), around, *sure]


def _marked(compared: Compared, cells: Sequence[Cell | None]) -> list[str]:
    """Figures of a row, each with its marks or with blanks in their place."""
    row = []
    for cell, measure in zip(cells, compared.measures, strict=True):
        text = figure(cell, measure)
        if text and compared.below_floor(measure):
            text += BELOW if cell.below_floor else " "
        row.append(text)
    return row


def figure(cell: Cell | None, measure: Measure) -> str:
    """A figure with its mark, or a blank in its place, so that figures are aligned."""
    if cell is None:
        return ""
    return number(cell.value, measure) + (MARKS[cell.mark] or (" " if measure.better else ""))


def interval(cell: Cell | None, measure: Measure) -> str:
    """An interval; "" if it is not finite."""
    if cell is None or not (math.isfinite(cell.low) and math.isfinite(cell.high)):
        return ""
    return f"{number(cell.low, measure)}{'-' if cell.low >= 0 else ' to '}{number(cell.high, measure)}"


def number(value: float, measure: Measure) -> str:
    """One decimal of percent; else three decimals below 2, two below 100, and one above. Zero has no sign."""
    if not math.isfinite(value):
        return "none"
    size = abs(value)
    if measure.form == "percent":
        return percent(value)
    text = f"{value:.{3 if size < 2 else 2 if size < 100 else 1}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def wrapped(line: str, width: int | None) -> str:
    """Break a line between words if it is wider than the terminal."""
    if width is None:
        return line
    # A run and its seed stay together: a space that does not break, to textwrap.
    line = line.replace(" (seed ", "\u00a0(seed\u00a0")
    text = textwrap.fill(line, max(width, 20), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return text.replace("\u00a0", " ")


def _grid(compared: Compared) -> tuple[list[str], list[list[str]]]:
    """Headings and one row per design, each figure with its interval in brackets."""
    headings = ["design", *compared.unnamed, "seeds", *(m.heading for m in compared.measures), "time, s"]
    rows = []
    for index, design in enumerate(compared.designs):
        row = [compared.names[index], *(setting(values[index]) for values in compared.unnamed.values())]
        row.append(str(len(design.runs)))
        for measure in compared.measures:
            cell = compared.cells[index].get(measure.name)
            around = interval(cell, measure)
            below = BELOW if cell is not None and cell.below_floor else ""
            row.append(figure(cell, measure).strip() + below + (f" ({around})" if around else ""))
        seconds = compared.seconds[index]
        rows.append([*row, "" if seconds is None else f"{seconds:.0f}"])
    return headings, rows


def _below(compared: Compared) -> list[str]:
    lines = [f"{name}: {design.in_words()}" for name, design in zip(compared.names, compared.designs, strict=True)]
    photographs = ", ".join(f"{n} ({name})" for name, n in compared.photographs.items())
    protocol = compared.measured_on["protocol"]
    lines.append(f"photographs: {photographs}; protocol {protocol['label']} ({protocol['hash'][:8]})")
    ways = directions((measure.heading, measure.unit, measure.better) for measure in compared.measures)
    lines += [ways] if ways else []
    lines += [LEGEND] if len(compared.designs) > 1 else []
    return [*lines, *about_baselines(compared), *compared.notes]


def floor_in_words(floors: Sequence[str]) -> str:
    """Name the floors that designs are compared with."""
    return "the better of gray and the best tint" if set(floors) <= {GRAY, TINT} else " or ".join(floors)


def about_baselines(compared: Compared) -> list[str]:
    """Say what the mark of designs below a floor means, and what baselines are."""
    lines = []
    floors = compared.below_floor(*compared.measures)
    if floors:
        lines.append(f"{BELOW} not significantly better than {floor_in_words(floors)} {FAMILY}")
    if compared.lacks_floor:
        lines.append(NOT_MEASURED)
    if TINT in compared.baselines:
        lines.append(f"{TINT}: for each figure, the constant colour that does best by it on training photographs")
    if set(CEILINGS) <= compared.baselines.keys():
        lines.append(CEILINGS_IN_WORDS)
    return lines


def _escaped(text: str) -> str:
    for character in "\\|*~<`":
        text = text.replace(character, f"\\{character}")
    return text
