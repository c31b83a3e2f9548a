"""How many photographs or seeds would show a difference of a given size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.statistics.paired import smallest_detectable
from oldrestore.statistics.scored import Scored
from oldrestore.statistics.seeds import detectable_with

MOST_PHOTOGRAPHS, MOST_SEEDS = 1_000_000, 1000


@dataclass(frozen=True)
class Needed:
    """Numbers that would do, each with the other as it is; None if none up to `MOST_PHOTOGRAPHS`, `MOST_SEEDS` would.

    Without several seeds on both sides, nothing is known of seeds.
    """

    photographs: int | None
    seeds: int | None


def needed(one: Sequence[Scored], other: Sequence[Scored], difference: float) -> Needed:
    """Numbers that would show a difference between two designs (80% power, 5%, two-sided).

    Photographs and seeds to come are taken to scatter as those that there are. With several seeds each, the smaller
    number of the two designs is that of both; else the means over seeds are compared, over photographs alone.
    """
    if difference <= 0:
        raise ValueError(f"a difference to be detected is above 0, not {difference}")
    seeds, n = min(len(one), len(other)), one[0].n
    if seeds < 2:
        ours, theirs = (np.mean([scored.contributions for scored in side], axis=0) for side in (one, other))
        apart = ours - theirs
        return Needed(_fewest(lambda count: smallest_detectable(apart, count), difference, MOST_PHOTOGRAPHS), None)
    return Needed(
        _fewest(lambda count: detectable_with(one, other, count, seeds), difference, MOST_PHOTOGRAPHS),
        _fewest(lambda count: detectable_with(one, other, n, count), difference, MOST_SEEDS),
    )


def _fewest(detectable: Callable[[int], float], difference: float, most: int) -> int | None:
    """The smallest number, from 2, with which no more than `difference` is detectable."""
    low, high = 1, most
    if not detectable(most) <= difference:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(middle) <= difference else (middle, high)
    return high
