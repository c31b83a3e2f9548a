"""Two runs on the same photographs: how far apart, how sure, and is it chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.statistics.bootstrap import RESAMPLES, bca_interval, resampled_values
from oldrestore.statistics.scored import Scored
from oldrestore.statistics.sign_flip import FLIPS, sign_flip


@dataclass(frozen=True)
class PairedDifference:
    """A difference `one` minus `other`.

    Attributes
    ----------
    difference : float
    low, high : float
        Its interval.
    p_value : float
        Two-sided, of no difference.
    effect : float
        Standardised: the difference in units of the standard deviation of the photographs' differences (Cohen's d
        of pairs). 0 where all photographs are the same; NaN where they differ by the same amount.
    wins : float
        Share of photographs on which the value of `one` is larger, 0..1; ties count half.
    n : int
        Photographs.
    seeds : tuple of int
        Seeds of `one` and of `other`; a single seed says nothing about training again.
    """

    difference: float
    low: float
    high: float
    p_value: float
    effect: float
    wins: float
    n: int
    seeds: tuple[int, int] = (1, 1)


def compare_pairs(
    one: Scored, other: Scored, resamples: int = RESAMPLES, flips: int = FLIPS, confidence: float = 0.95, seed: int = 0
) -> PairedDifference:
    """Compare two runs on the same photographs in the same order; see `compare_with`."""
    return compare_with(other, [one], resamples, flips, confidence, seed)[0]


def compare_with(
    reference: Scored,
    others: Sequence[Scored],
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[PairedDifference]:
    """Compare each of `others` with a reference: paired bootstrap (BCa) of the difference, and sign-flip p-value.

    Parameters
    ----------
    reference : Scored
    others : sequence of Scored
        On the same photographs in the same order; differences are theirs minus the reference's.
    resamples, flips : int
        Of the bootstrap, and of the test.
    confidence : float
        Of each interval, by itself.
    seed : int
        Of both.
    """
    if not others:
        return []
    base, *rows = resampled_values([reference, *others], resamples, seed)
    p_values = sign_flip([(other, reference) for other in others], flips, seed)
    found = []
    for other, row, p in zip(others, rows, p_values, strict=True):
        difference = other.value - reference.value
        low, high = bca_interval(row - base, difference, other.left_out - reference.left_out, confidence)
        effect = effect_of(other.contributions - reference.contributions)
        wins = share_larger(other.singles - reference.singles)
        found.append(PairedDifference(difference, low, high, float(p), effect, wins, reference.n))
    return found


def effect_of(differences_n: np.ndarray) -> float:
    """Mean over standard deviation of what photographs contribute to a difference."""
    scale = np.abs(differences_n).max()
    if scale == 0:
        return 0.0
    spread = float(differences_n.std(ddof=1)) if len(differences_n) > 1 else 0.0
    return float(differences_n.mean()) / spread if spread > 1e-9 * scale else float("nan")


def share_larger(differences_n: np.ndarray) -> float:
    """Share of differences of photographs' own values that are above 0; 0 counts half, NaN not at all.

    What a photograph contributes to a ratio is no answer here: where it weighs little, that is nearly the difference of
    the whole set, and of the same sign on every such photograph.
    """
    known = differences_n[~np.isnan(differences_n)]
    if len(known) == 0:
        return float("nan")
    # Means over seeds round: what they leave of nothing is nothing.
    clean = np.where(np.abs(known) <= 1e-9 * np.abs(known).max(), 0.0, known)
    return float(((clean > 0) + 0.5 * (clean == 0)).mean())
