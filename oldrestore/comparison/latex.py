"""Comparisons as LaTeX tables for papers: booktabs rules, escaped names, photographs and seeds in the caption."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oldrestore.comparison.baselines import TINT
from oldrestore.comparison.columns import Cell
from oldrestore.comparison.compare import Compared
from oldrestore.comparison.designs import Design
from oldrestore.comparison.measures import Measure
from oldrestore.comparison.rendering import floor_in_words
from oldrestore.evaluation.baseline_scores import CEILINGS, CEILINGS_IN_WORDS
from oldrestore.tables import percent, setting

ARROWS = {"max": r" $\uparrow$", "min": r" $\downarrow$", None: ""}
IN_CAPTION = {"orig_accuracy": "Originals recognised", "gray_accuracy": "Gray ones"}
TIED, BELOW = r"\dagger", r"\ddagger"
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    # After the end of a row these would be read as its options.
    "[": "{[}",
    "*": "{*}",
    **{character: "\\" + character for character in "{}$&#_%"},
}


def latex(compared: Compared) -> str:
    """Return a ``table`` environment for ``booktabs``: one row per design, 95% intervals below in small print.

    The best figure of a column is bold, those not significantly different have a dagger; the caption says so, and names
    photographs, seeds, judge and protocol. Runs and notes precede it as comments.
    """
    # Figures that no design changes, such as the judge's accuracy on originals, go into the caption.
    constant = [measure for measure in compared.measures if _is_constant(compared, measure)]
    measures = [measure for measure in compared.measures if measure not in constant]
    seeds = {len(design.seeds) for design in compared.designs}
    headings, words = _words(compared, with_seeds=len(seeds) > 1)
    timed = any(seconds is not None for seconds in compared.seconds)
    headings += [_heading(measure) for measure in measures] + (["time (s)"] if timed else [])
    rows: list[list[str]] = []
    for index in range(len(compared.designs)):
        if rows:
            rows.append([])  # some air
        cells = [compared.cells[index].get(measure.name) for measure in measures]
        decimals = [_decimals(compared, measure) for measure in measures]
        drawn = list(zip(cells, measures, decimals, strict=True))
        seconds = compared.seconds[index]
        row = [*words[index], *(_figure(*one) for one in drawn)]
        rows.append([*row, "--" if seconds is None else f"{seconds:.0f}"] if timed else row)
        below = [_interval(*one) for one in drawn]
        if any(below):
            rows.append([""] * len(words[index]) + below + ([""] if timed else []))
    beside = []
    for title, of_each in compared.baselines.items():
        drawn = [(of_each.get(measure.name), measure, _decimals(compared, measure)) for measure in measures]
        row = [escaped(title), *[""] * (len(words[0]) - 1), *("" if one[0] is None else _figure(*one) for one in drawn)]
        beside.append([*row, ""] if timed else row)
    columns = "l" * len(words[0]) + "r" * (len(headings) - len(words[0]))
    # So that all usual columns fit into A4 with margins of 2 cm.
    lines = [
        r"\begin{table}",
        r"  \centering\small\setlength{\tabcolsep}{2pt}",
        rf"  \caption{{{_caption(compared, constant)}}}",
    ]
    lines += [rf"  \begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"    \toprule", f"    {_row(headings)}", r"    \midrule"]
    lines += [f"    {_row(row)}" if row else r"    \addlinespace[2pt]" for row in rows]
    lines += [r"    \midrule", *(f"    {_row(row)}" for row in beside)] if beside else []
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join([*_comments(compared), *lines])


def escaped(text: str) -> str:
    """Escape text for LaTeX; characters that pdfLaTeX cannot print become question marks."""
    plain = "".join(c if c.isprintable() and ord(c) < 0x180 else " " if c.isspace() else "?" for c in text)
    return "".join(_ESCAPES.get(character, character) for character in plain)


def _words(compared: Compared, with_seeds: bool) -> tuple[list[str], list[list[str]]]:
    """Headings and cells that say which design a row is."""
    headings, rows = ["design"], [[escaped(name)] for name in compared.names]
    if with_seeds:
        headings.append("seeds")
        rows = [[*row, str(len(design.seeds))] for row, design in zip(rows, compared.designs, strict=True)]
    return headings, rows


def _heading(measure: Measure) -> str:
    unit = r" (\%)" if measure.form == "percent" else ""
    return f"{escaped(measure.heading)}{unit}{ARROWS[measure.better]}"


def _decimals(compared: Compared, measure: Measure) -> int:
    """Number of decimals of the whole column, by its largest figure: see `oldrestore.comparison.rendering.number`."""
    if measure.form == "percent":
        return 1
    cells = [cells[measure.name] for cells in compared.cells if measure.name in cells]
    largest = max((abs(cell.value) for cell in cells if math.isfinite(cell.value)), default=0.0)
    return 3 if largest < 2 else 2 if largest < 100 else 1


def _number(value: float, measure: Measure, decimals: int) -> str:
    if not math.isfinite(value):
        return "--"
    text = percent(value, decimals).rstrip("%") if measure.form == "percent" else f"{value:.{decimals}f}"
    return text.replace("-", "$-$")


def _figure(cell: Cell | None, measure: Measure, decimals: int) -> str:
    if cell is None:
        return "--"
    text = _number(cell.value, measure, decimals)
    marks = [TIED] * (cell.mark == "tied") + [BELOW] * cell.below_floor
    raised = f"{{{''.join(marks)}}}" if len(marks) > 1 else "".join(marks)
    # Marks take no width, so that figures stay aligned.
    after = rf"\rlap{{$^{raised}$}}" if marks else ""
    return (rf"\textbf{{{text}}}" if cell.mark == "best" else text) + after


def _interval(cell: Cell | None, measure: Measure, decimals: int) -> str:
    if cell is None or not (math.isfinite(cell.low) and math.isfinite(cell.high)):
        return ""
    low, high = (_number(value, measure, decimals) for value in (cell.low, cell.high))
    return rf"{{\scriptsize [{low}, {high}]}}"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _is_constant(compared: Compared, measure: Measure) -> bool:
    """Whether a measure without a better direction is the same for several designs."""
    cells = [cells[measure.name] for cells in compared.cells if measure.name in cells]
    return measure.better is None and len(cells) > 1 and len({(c.value, c.low, c.high) for c in cells}) == 1


def _caption(compared: Compared, constant: Sequence[Measure]) -> str:
    measured = compared.measured_on
    counts = compared.photographs
    sets = {"val": "validation", "judged": "judged"}
    photographs = ", ".join(f"{escaped(sets.get(name, name))} $n = {n}$" for name, n in counts.items())
    sentences = [f"Photographs: {photographs}.", _seeds(compared.designs)]
    for measure in constant:
        cell = next(cells[measure.name] for cells in compared.cells if measure.name in cells)
        value, low, high = (
            _number(v, measure, _decimals(compared, measure)) for v in (cell.value, cell.low, cell.high)
        )
        unit = r"\%" if measure.form == "percent" else ""
        sentences.append(f"{IN_CAPTION.get(measure.name, escaped(measure.heading))}: {value}{unit} [{low}, {high}].")
    if "judged" in counts and measured.get("judge"):
        sentences.append(f"Judge: {escaped(str(measured['judge'].get('name', 'unnamed')))}.")
    protocol = measured["protocol"]
    sentences.append(f"Protocol: {escaped(str(protocol['name']))} ({escaped(str(protocol['hash'])[:8])}).")
    if any(cell.mark for cells in compared.cells for cell in cells.values()):
        sentences.append(
            r"Bold: best of its column; $^\dagger$: not distinguishable from it ($5\%$, Holm over all pairs of "
            "designs)."
        )
    if floors := compared.below_floor(*compared.measures):
        than = escaped(floor_in_words(floors))
        sentences.append(rf"$^\ddagger$: not significantly better than {than} ($5\%$, Holm over designs).")
    if TINT in compared.baselines:
        sentences.append(f"{TINT.capitalize()}: for each figure, the best constant colour on training photographs.")
    if set(CEILINGS) <= compared.baselines.keys():
        sentences.append(f"{CEILINGS_IN_WORDS[:1].upper()}{CEILINGS_IN_WORDS[1:]}.")
    return " ".join(sentences)


def _seeds(designs: Sequence[Design]) -> str:
    """Say which seeds the means are over, and what the intervals are over."""
    counts = {len(design.seeds) for design in designs}
    named = {design.seeds for design in designs}
    over = "seeds and photographs" if min(counts) > 1 else "photographs alone"
    if max(counts) == 1:
        which = f"seed {escaped(str(next(iter(named))[0]))}" if len(named) == 1 else "seeds of their own"
        return rf"One run each ({which}); below, $95\%$ intervals over photographs alone."
    if len(counts) > 1:
        return (
            r"Means over seeds; below, $95\%$ intervals over seeds and photographs, of one seed over photographs alone."
        )
    which = f" ({', '.join(escaped(str(seed)) for seed in next(iter(named)))})" if len(named) == 1 else ""
    return rf"Means over {max(counts)} seeds{which}; below, $95\%$ intervals over {over}."


def _comments(compared: Compared) -> list[str]:
    lines = [r"\usepackage{booktabs} is needed"]
    for index, (name, design) in enumerate(zip(compared.names, compared.designs, strict=True)):
        differing = ", ".join(f"{key} {setting(values[index])}" for key, values in compared.unnamed.items())
        lines.append(f"{name}: {design.in_words()}" + (f"; {differing}" if differing else ""))
    return ["% " + " ".join(line.split()) for line in [*lines, *compared.notes]]
