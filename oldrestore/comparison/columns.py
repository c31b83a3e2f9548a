"""One column of a comparison: figures with intervals, the best, and those not distinguishable from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oldrestore.comparison.baselines import AgainstFloor
from oldrestore.comparison.designs import Design
from oldrestore.comparison.measures import Measure
from oldrestore.statistics import (
    Estimate,
    PairedDifference,
    Scored,
    bca_interval,
    compare_designs,
    compare_with,
    holm,
    mean_singles,
    resampled_values,
    seeds_and_images,
    share_over_seeds,
    weighted_mean,
    wilson_interval,
)

LEVEL = 0.05
RESAMPLES = 10_000


@dataclass(frozen=True)
class Cell:
    """One figure of one design."""

    value: float  # mean over seeds
    low: float  # ends of its 95% interval: over photographs for one seed, over seeds and photographs for several
    high: float
    n: int  # photographs
    seeds: int  # that have the figure
    mark: str = ""  # best of its column, tied (not significantly different from it), or ""
    against_best: PairedDifference | None = None  # this design minus the best
    p_holm: float | None = None  # the p-value of that, adjusted for all pairs of designs in the column
    against_floor: AgainstFloor | None = None  # this design minus the better of gray and the best tint

    @property
    def below_floor(self) -> bool:
        """Whether it is not significantly better than what needs no network."""
        return self.against_floor is not None and not self.against_floor.beaten


def scored_by_design(measure: Measure, designs: Sequence[Design], tables: dict) -> dict[int, list[Scored]]:
    """The figure of each run that has it, by the design's number."""
    scored = {}
    for index, design in enumerate(designs):
        scores = [measure.of(tables[run.folder]) for run in design.runs]
        if any(one is not None for one in scores):
            scored[index] = [one for one in scores if one is not None]
    return scored


def cells_of(measure: Measure, scored: Mapping[Any, list[Scored]], resamples: int, seed: int) -> dict[Any, Cell]:
    """Figures with their intervals, without marks."""
    return {
        i: Cell(e.value, *np.clip([e.low, e.high], *measure.bounds).tolist(), scored[i][0].n, len(scored[i]))
        for i, e in _estimates(measure, scored, resamples, seed).items()
    }


def column_of(measure: Measure, scored: dict[int, list[Scored]], resamples: int, seed: int) -> dict[int, Cell]:
    """Cells of one measure, by the design's number."""
    cells = cells_of(measure, scored, resamples, seed)
    finite = {index: cell.value for index, cell in cells.items() if math.isfinite(cell.value)}
    if measure.better is None or len(finite) < 2:
        return cells
    best = (max if measure.better == "max" else min)(finite, key=finite.get)
    others = [index for index in finite if index != best]
    family = len(finite) * (len(finite) - 1) // 2
    # The smallest p-value must stay below the level when it is multiplied.
    flips = max(resamples, math.ceil(2 * family / LEVEL))
    differences = _against(scored[best], [scored[index] for index in others], resamples, flips, seed)
    adjusted = holm([difference.p_value for difference in differences], family or None)
    marked = {best: replace(cells[best], mark="best")}
    for index, difference, p in zip(others, differences, adjusted, strict=True):
        mark = "" if p <= LEVEL else "tied"
        marked[index] = replace(cells[index], mark=mark, against_best=difference, p_holm=float(p))
    return {index: marked.get(index, cell) for index, cell in cells.items()}


def _estimates(measure: Measure, scored: Mapping[Any, list[Scored]], resamples: int, seed: int) -> dict[Any, Estimate]:
    single = {i: seeds[0] for i, seeds in scored.items() if len(seeds) == 1}
    several = {i: seeds for i, seeds in scored.items() if len(seeds) > 1 and seeds[0].n > 1}
    estimates = {i: Estimate(float(np.mean([one.value for one in s])), np.nan, np.nan) for i, s in scored.items()}
    for i, seeds in several.items():
        finite = all(math.isfinite(one.value) for one in seeds)
        estimates[i] = share_over_seeds(seeds) if measure.is_share and finite else seeds_and_images(seeds)
    if measure.is_share:
        for i, one in ((i, one) for i, one in single.items() if math.isfinite(one.value)):
            estimates[i] = Estimate(one.value, *wilson_interval(round(float(one.columns_nk[:, 0].sum())), one.n))
    elif single:
        rows = resampled_values(list(single.values()), resamples, seed)
        for (i, one), row in zip(single.items(), rows, strict=True):
            estimates[i] = Estimate(one.value, *bca_interval(row, one.value, one.left_out))
    return estimates


def _against(
    best: list[Scored], others: list[list[Scored]], resamples: int, flips: int, seed: int
) -> list[PairedDifference]:
    """Each of `others` minus the best: over seeds if both have several, else over photographs alone."""
    differences: dict[int, PairedDifference] = {}
    by_image = []
    for number, other in enumerate(others):
        if len(best) > 1 and len(other) > 1 and best[0].n > 1:
            differences[number] = compare_designs(other, best)
        else:
            by_image.append(number)
    if by_image:
        plain_pairs = len(best) == 1 and all(len(others[number]) == 1 for number in by_image)
        one_of = (lambda seeds: seeds[0]) if plain_pairs else _mean_of_seeds
        compared = compare_with(one_of(best), [one_of(others[i]) for i in by_image], resamples, flips, seed=seed)
        for number, pair in zip(by_image, compared, strict=True):
            differences[number] = replace(pair, seeds=(len(others[number]), len(best)))
    return [differences[number] for number in range(len(others))]


def _mean_of_seeds(seeds: list[Scored]) -> Scored:
    return replace(weighted_mean(np.mean([one.contributions for one in seeds], axis=0)), singles_n=mean_singles(seeds))
