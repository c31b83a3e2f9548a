"""What a comparison could have shown: the smallest detectable differences, and what would detect a given one."""

from __future__ import annotations

import math
from typing import Any

from oldrestore.comparison.compare import Cell, Compared
from oldrestore.comparison.measures import Measure, table_of
from oldrestore.comparison.rendering import number
from oldrestore.statistics import Needed, needed
from oldrestore.tables import aligned

MOST_NAMED = 3  # designs
TERMS = "80% power, 5% two-sided, one comparison"


def is_undecided(cell: Cell) -> bool:
    """Whether a design is not told from the best, and is nearer to it than these photographs and seeds could show."""
    d = cell.against_best
    return cell.mark == "tied" and d is not None and abs(d.difference) < d.detectable


def too_few(cell: Cell) -> str:
    """Say of what there are too few; where seeds are compared, more of them may do."""
    return f"too few photographs {'or seeds ' if min(cell.against_best.seeds) > 1 else ''}to tell"


def power_in_words(compared: Compared, measure: Measure) -> list[str]:
    """Say which differences from the best design could have been detected, and which designs are nearer than that."""
    cells = {index: cells[measure.name] for index, cells in enumerate(compared.cells) if measure.name in cells}
    differing = {index: cell for index, cell in cells.items() if cell.against_best is not None}
    detectable = [cell.against_best.detectable for cell in differing.values()]
    if not differing or not all(math.isfinite(value) for value in detectable) or not any(detectable):
        return []  # nothing to compare, or designs with the very same scores
    low, high = (number(end(detectable), measure) for end in (min, max))
    seeds = {count for cell in differing.values() for count in cell.against_best.seeds}
    with_seeds = "" if min(seeds) < 2 else f" and {min(seeds)} seeds" + (" or more" if len(seeds) > 1 else "")
    n = next(iter(differing.values())).n
    smallest = low if low == high else f"{low} to {high}"
    said = f"the smallest difference that {n} photographs{with_seeds} detect is {smallest} ({TERMS})"
    undecided = {index: cell for index, cell in differing.items() if is_undecided(cell)}
    if not undecided:
        return [said]
    best = next(index for index, cell in cells.items() if cell.mark == "best")
    listed = [compared.names[index] for index in undecided]
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    them = ", ".join(listed[:MOST_NAMED]) + more
    return [said, f"there are {too_few(next(iter(undecided.values())))} {compared.names[best]} from {them}"]


def needed_by_design(compared: Compared, name: str, difference: float) -> dict[int, Needed]:
    """Photographs or seeds that would tell each design from the best if they were `difference` apart; from 0."""
    measure = next(measure for measure in compared.measures if measure.name == name)
    best = next((i for i, cells in enumerate(compared.cells) if name in cells and cells[name].mark == "best"), None)
    scored = [
        [scores for run in design.runs if (scores := measure.of(table_of(run))) is not None]
        for design in compared.designs
    ]
    others = [i for i, cells in enumerate(compared.cells) if name in cells and cells[name].against_best is not None]
    return {index: needed(scored[index], scored[best], difference) for index in others}


def needed_in_words(compared: Compared, name: str, difference: float) -> str:
    """Table of what would detect a difference; a sentence if there is nothing to compare."""
    measure = next(measure for measure in compared.measures if measure.name == name)
    found = needed_by_design(compared, name, difference)
    if not found:
        return f"{measure.heading}: there is no second design to detect a difference from"
    best = next(i for i, cells in enumerate(compared.cells) if name in cells and cells[name].mark == "best")
    now = {index: compared.cells[index][name] for index in found}
    lines = [["design", "photographs needed", "now", "or seeds needed", "now"]]
    for index, one in found.items():
        seeds = min(now[index].against_best.seeds)
        several = ["none would do" if one.seeds is None else str(one.seeds), str(seeds)] if seeds > 1 else ["-", "1"]
        photographs = "none would do" if one.photographs is None else str(one.photographs)
        lines.append([compared.names[index], photographs, str(now[index].n), *several])
    wanted = number(difference, measure)
    title = f"{measure.heading}: what detects a difference of {wanted} from {compared.names[best]} ({TERMS})"
    return f"{title}\n{aligned(lines, words=1)}"


def needed_as_json(compared: Compared, name: str, difference: float) -> dict[str, Any]:
    """Plain values of `needed_by_design`, designs from 1."""
    found = needed_by_design(compared, name, difference).items()
    designs = [
        {"design": i + 1, "name": compared.names[i], "photographs": one.photographs, "seeds": one.seeds}
        for i, one in found
    ]
    return {"figure": name, "difference": difference, "designs": designs}
