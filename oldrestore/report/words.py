"""What the runs say, in sentences: which design is best, by how much, how sure that is, and what remains unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oldrestore.comparison.baselines import GRAY, TINT
from oldrestore.comparison.columns import Cell
from oldrestore.comparison.compare import Compared
from oldrestore.comparison.measures import Measure
from oldrestore.comparison.power import power_in_words
from oldrestore.comparison.rendering import NOT_MEASURED, number
from oldrestore.tables import percent

FLOORS = {GRAY: "gray", TINT: "the best constant tint"}  # in a sentence


@dataclass(frozen=True)
class Words:
    """The summary of a group."""

    headline: str  # the verdict in one sentence
    verdict: str  # best, tied (not significantly different from another), alone (nothing to compare) or unknown
    best: int | None = None  # the design with the best mean, from 0
    equals: list[int] = field(default_factory=list)  # designs not significantly different from it
    sentences: list[str] = field(default_factory=list)  # by how much, how sure, and what the other measures say
    cautions: list[str] = field(default_factory=list)  # limits of the evidence: few seeds, unfinished runs


def full_name(measure: Measure) -> str:
    """Name of a measure in a sentence."""
    return measure.title or measure.name.replace("/", ": ").replace("_", " ")


def unit_of(measure: Measure) -> str:
    """Unit of a measure as it follows a number, with the space before it."""
    return measure.unit and f" {measure.unit}"


def words_of(compared: Compared, names: Sequence[str], headline: Measure) -> Words:
    """Put a comparison into words; `headline` decides."""
    column = {index: cells[headline.name] for index, cells in enumerate(compared.cells) if headline.name in cells}
    column = {index: cell for index, cell in column.items() if math.isfinite(cell.value)}
    recognition = _recognition(compared, names)
    unknown = [NOT_MEASURED] if compared.lacks_floor else []
    cautions = [*_cautions(compared), *map(_sentence, [*unknown, *compared.notes])]
    if not column:
        first = f"No run has a finite {full_name(headline)}: nothing can be said of which design is best."
        return Words(first, "unknown", sentences=recognition, cautions=cautions)
    floor = _floor(compared, column, names, headline)
    if len(compared.designs) == 1:
        only = next(iter(column))
        first = f"There is one design, {names[only]}, and nothing to compare it with."
        said = [f"Its {full_name(headline)} is {_valued(column[only], headline)}.", *floor]
        return Words(first, "alone", sentences=[*said, *recognition], cautions=cautions)
    best = next((index for index, cell in column.items() if cell.mark == "best"), None)
    if best is None:
        values = ", ".join(f"{names[i]} {number(cell.value, headline)}" for i, cell in column.items())
        if headline.better is not None:
            only = next(iter(column))
            first = f"Only {names[only]} has a finite {full_name(headline)}: there is nothing to compare it with."
            return Words(first, "alone", sentences=recognition, cautions=cautions)
        first = f"Neither more nor less {full_name(headline)} is better, so no design is called the best by it."
        return Words(first, "unknown", sentences=[f"The means are {values}.", *recognition], cautions=cautions)
    equals = [index for index, cell in column.items() if cell.mark == "tied"]
    beaten = [index for index, cell in column.items() if index != best and cell.mark != "tied"]
    sentences = [
        f"{names[best]} has a {full_name(headline)} of {_valued(column[best], headline)}.",
        *_beaten(column, beaten, best, names, headline),
        *_tied(column, equals, names, headline),
        *(_sentence(text) for text in power_in_words(compared, headline)),
        *floor,
        *_other_measures(compared, names, headline, best),
        *recognition,
    ]
    first = _headline(names, headline, best, equals, beaten)
    if column[best].below_floor:
        first += f" {names[best]} does not significantly beat {_named_floor(column[best])}."
    return Words(first, "tied" if equals else "best", best, equals, sentences, cautions)


def _headline(names: Sequence[str], measure: Measure, best: int, equals: list[int], beaten: list[int]) -> str:
    by = full_name(measure)
    if not equals:
        others = "the other design" if len(beaten) == 1 else f"all {len(beaten)} other designs"
        return f"{names[best]} is the best by {by}, and differs significantly from {others}."
    if not beaten:
        how_many = {1: "the other design"}.get(len(equals), f"any of the {len(equals)} others")
        unsure = f"is not significantly different from {how_many}"
        return f"No design stands out: by {by}, {names[best]} has the best mean, but {unsure}."
    unsure = f"is not significantly different from {_listed([names[i] for i in equals])}"
    return f"{names[best]} has the best mean {by}, but {unsure}."


def _named_floor(cell: Cell) -> str:
    return FLOORS.get(cell.against_floor.floor, cell.against_floor.floor)


def _floor(compared: Compared, column: dict[int, Cell], names: Sequence[str], measure: Measure) -> list[str]:
    """Which designs are no better than what needs no network."""
    against = {index: cell.against_floor for index, cell in column.items() if cell.against_floor is not None}
    if not against:
        return []
    title = next(iter(against.values())).floor
    floor = compared.baselines[title][measure.name]
    what, value = FLOORS.get(title, title), f"{number(floor.value, measure)}{unit_of(measure)}"
    first = f"{what[:1].upper()}{what[1:]}, which needs no network, has {value}"
    below = [index for index, one in against.items() if not one.beaten]
    if not below:
        return [f"{first}; {'the design is' if len(against) == 1 else 'every design is'} significantly better."]
    if len(below) < len(against):
        return [f"{first}; not significantly better than that: {_listed([names[index] for index in below])}."]
    sign = -1 if measure.better == "min" else 1
    nearest = max(below, key=lambda index: sign * against[index].difference.difference)
    d = against[nearest].difference
    low, high = number(d.low, measure), number(d.high, measure)
    sure = f"difference {number(d.difference, measure)}, 95% interval {low} to {high}, {_p(against[nearest].p_holm)}"
    if len(against) == 1:
        return [f"{first}; the design is not significantly better ({sure})."]
    return [f"{first}; no design is significantly better (nearest is {names[nearest]}: {sure})."]


def _beaten(column: dict[int, Cell], beaten: list[int], best: int, names: Sequence[str], measure: Measure) -> list[str]:
    """By how much the best design is better than those that differ significantly, nearest first."""
    if not beaten:
        return []
    parts = []
    for index in _nearest(column, beaten)[:3]:
        difference, sure = _distance(column[index], measure)
        word = "above" if column[best].value >= column[index].value else "below"
        parts.append(f"{difference}{unit_of(measure)} {word} {names[index]} ({sure})")
    more = f"; {len(beaten) - 3} more lie further away" if len(beaten) > 3 else ""
    family = len(column) * (len(column) - 1) // 2
    holm = f" P-values are Holm's over {family} pairs." if family > 1 else ""
    return [f"It lies {_listed(parts)}{more}.{holm}"]


def _tied(column: dict[int, Cell], equals: list[int], names: Sequence[str], measure: Measure) -> list[str]:
    if not equals:
        return []
    parts = []
    for index in _nearest(column, equals)[:3]:
        difference, sure = _distance(column[index], measure)
        parts.append(f"{names[index]} (difference {difference}, {sure})")
    more = f"; nor are {len(equals) - 3} more, which the table of differences lists" if len(equals) > 3 else ""
    return [f"Not distinguishable from it: {_listed(parts)}{more}. That is not to say that they are as good."]


def _nearest(column: dict[int, Cell], designs: list[int]) -> list[int]:
    return sorted(designs, key=lambda index: abs(column[index].against_best.difference))


def _distance(cell: Cell, measure: Measure) -> tuple[str, str]:
    """Difference between a design and the best, signed so that it is positive; and its interval and p-value."""
    d = cell.against_best
    signed = (-d.difference, -d.high, -d.low) if d.difference <= 0 else (d.difference, d.low, d.high)
    difference, low, high = (number(value, measure) for value in signed)
    return difference, f"95% interval {low} to {high}, {_p(cell.p_holm)}"


def _other_measures(compared: Compared, names: Sequence[str], headline: Measure, best: int) -> list[str]:
    """Which design is best by the other measures of the table."""
    agreeing, worse, level = [], [], []
    for measure in compared.measures:
        if measure.name == headline.name or measure.better is None:
            continue
        marks = {index: cells[measure.name].mark for index, cells in enumerate(compared.cells) if measure.name in cells}
        leader = next((index for index, mark in marks.items() if mark == "best"), None)
        if leader is None:
            continue
        tied = [index for index, mark in marks.items() if mark == "tied"]
        if leader == best:
            agreeing.append(f"{full_name(measure)}{'' if not tied else ' (not alone)'}")
        elif best in marks:
            (level if best in tied else worse).append(f"{full_name(measure)} ({names[leader]})")
    sentences = []
    if agreeing:
        sentences.append(f"{names[best]} also has the best mean by {_listed(agreeing)}.")
    if worse:
        sentences.append(f"It is significantly worse than the best by {_listed(worse)}.")
    if level:
        sentences.append(
            f"Others have the best mean, but it is not significantly different from them, by {_listed(level)}."
        )
    return sentences


def _recognition(compared: Compared, names: Sequence[str]) -> list[str]:
    """What a judge recognises, and the share of the gap that is closed."""
    judged = [
        (index, cells)
        for index, cells in enumerate(compared.cells)
        if all(name in cells for name in ("iter_accuracy", "orig_accuracy", "gray_accuracy"))
    ]
    if not judged:
        return ["No judge looked at these runs' photographs, so nothing is said of recognition."]
    index, cells = max(judged, key=lambda one: one[1]["iter_accuracy"].value)
    ours, original, gray = (cells[name] for name in ("iter_accuracy", "orig_accuracy", "gray_accuracy"))
    others = [other["iter_accuracy"].mark for number, other in judged if number != index]
    tied = (
        "; none of the other designs is significantly different from it by that"
        if others and set(others) == {"tied"}
        else ""
    )
    share = f"{percent(ours.value)} ({percent(ours.low)} to {percent(ours.high)})"
    against = f"{percent(original.value)} of the originals and {percent(gray.value)} of gray ones (n = {ours.n})"
    sentence = f"The judge recognises {share} of the recoloured photographs, {against}."
    if len(judged) > 1:
        sentence = (
            f"The judge does best with the colours of {names[index]}: it recognises {share} of them, {against}{tied}."
        )
    gap = cells.get("gap_closed")
    if gap is None or not math.isfinite(gap.value):
        return [sentence, "Originals are recognised no better than gray ones, so there is no gap to close."]
    interval = ""
    if math.isfinite(gap.low) and math.isfinite(gap.high):
        interval = f" (95% interval {percent(gap.low)} to {percent(gap.high)})"
    elif gap.seeds < 2 or gap.n < 2:
        interval = " (no interval: the gap is too small for these photographs)"
    from_floor = _gap_from_floor(compared, cells)
    if gap.value > 0:
        doubt = "; it is not shown that colour helps recognition at all" if gap.low <= 0 else ""
        closes = f"That closes {percent(gap.value)} of the gap between gray and original{interval}{doubt}."
        return [sentence, closes, *from_floor]
    sure = "its colour hinders recognition" if gap.high < 0 else "its colour is not shown to help recognition"
    if gap.value == 0:
        closes = f"That closes none of the gap between gray and original{interval}: {sure}."
        return [sentence, closes, *from_floor]
    return [
        sentence,
        f"That is below gray: of the gap between gray and original it closes {percent(gap.value)}{interval}, and "
        f"{sure}.",
        *from_floor,
    ]


def _gap_from_floor(compared: Compared, cells: Mapping[str, Cell]) -> list[str]:
    """The same from the best constant tint, where the judge likes it better than gray."""
    tint = compared.baselines.get(TINT, {}).get("iter_accuracy")
    gap = cells.get("gap_closed_from_floor")
    if tint is None or gap is None or not tint.value > cells["gray_accuracy"].value:
        return []
    share = percent(gap.value) if math.isfinite(gap.value) else "none"
    return [f"Under {FLOORS[TINT]} it recognises {percent(tint.value)}: counted from there, {share} is closed."]


def _cautions(compared: Compared) -> list[str]:
    """Seeds and photographs that the verdict rests on."""
    seeds = [len(design.runs) for design in compared.designs]
    counts = compared.photographs
    kinds = {"val": "validation photographs", "judged": "judged photographs"}
    listed = _listed([f"{n} {kinds.get(name, f'photographs of {name}')}" for name, n in counts.items()])
    per = f"{min(seeds)}" if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"
    plural = "seed" if max(seeds) == 1 else "seeds"
    whole = (
        f"{len(seeds)} {'design' if len(seeds) == 1 else 'designs'}, {per} {plural} each, {listed or 'no photographs'}."
    )
    cautions = [whole]
    if seeds == [1]:
        cautions.append("It was trained once: another seed may well give other figures.")
    elif max(seeds) == 1:
        cautions.append("Each design was trained once: another seed may well change their order.")
    elif min(seeds) == 1:
        cautions.append("Some designs were trained once: of those, another seed may well change the order.")
    small = min(counts.values(), default=0)
    if 0 < small < 30:
        cautions.append(f"{small} photographs are few, and the intervals are rough.")
    return cautions


def _valued(cell: Cell, measure: Measure) -> str:
    unit = unit_of(measure)
    over = f"{cell.seeds} {'seed' if cell.seeds == 1 else 'seeds'}, {cell.n} photographs"
    if not (math.isfinite(cell.low) and math.isfinite(cell.high)):
        return f"{number(cell.value, measure)}{unit} ({over}; no interval)"
    low, high = number(cell.low, measure), number(cell.high, measure)
    return f"{number(cell.value, measure)}{unit} (95% interval {low} to {high}; {over})"


def _p(p: float | None) -> str:
    if p is None or not math.isfinite(p):
        return "no p-value"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
