"""Two runs on the same photographs: how far apart, how sure, and is it chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from oldrestore.statistics.bootstrap import BLOCK, RESAMPLES, bca_interval, resampled_values
from oldrestore.statistics.mcnemar import mcnemar_detectable
from oldrestore.statistics.scored import Scored

FLIPS = 10_000
LEVEL = 0.05
POWER = 0.8
MANY_DISCORDANT = 2000  # photographs; from here on the closed form has the exact test's power to half a point


@dataclass(frozen=True)
class PairedDifference:
    """A difference `one` minus `other`, and its interval.

    The effect is standardised: the difference in units of the standard deviation of the photographs' differences
    (Cohen's d of pairs). It is 0 where all photographs are the same, and NaN where they differ by the same amount.

    What is `detectable` is the smallest difference that such a comparison finds (5%, two-sided) in 80% of repetitions.
    """

    difference: float
    low: float
    high: float
    p_value: float  # two-sided, of no difference
    effect: float
    wins: float  # share of photographs on which the value of `one` is larger, 0..1; ties count half
    n: int  # photographs
    seeds: tuple[int, int] = (1, 1)  # of `one` and of `other`; a single seed says nothing about training again
    detectable: float = float("nan")


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

    All are of the same photographs in the same order. Differences are theirs minus the reference's; each interval has
    its `confidence` by itself.
    """
    if not others:
        return []
    base, *rows = resampled_values([reference, *others], resamples, seed)
    p_values = sign_flip([(other, reference) for other in others], flips, seed)
    compared = []
    for other, row, p in zip(others, rows, p_values, strict=True):
        difference = other.value - reference.value
        low, high = bca_interval(row - base, difference, other.left_out - reference.left_out, confidence)
        apart = other.contributions - reference.contributions
        wins = share_larger(other.singles - reference.singles)
        pair = PairedDifference(difference, low, high, float(p), effect_of(apart), wins, reference.n)
        compared.append(replace(pair, detectable=smallest_detectable(apart)))
    return compared


def effect_of(differences_n: np.ndarray) -> float:
    """Mean over standard deviation of what photographs contribute to a difference."""
    scale = np.abs(differences_n).max()
    if scale == 0:
        return 0.0
    spread = float(differences_n.std(ddof=1)) if len(differences_n) > 1 else 0.0
    return float(differences_n.mean()) / spread if spread > 1e-9 * scale else float("nan")


def smallest_detectable(differences_n: np.ndarray, photographs: int | None = None) -> float:
    """Smallest difference that this many photographs with such differences would show (80% power, 5%, two-sided).

    2.80 standard errors, a little more for few photographs. Of right and wrong answers that is 2.80 sqrt(d / n) with d
    the share of photographs on which one is right and the other is not (O. S. Miettinen 1968, The matched pairs design
    in the case of all-or-none responses, Biometrics 24), and up to a tenth more, since the exact test is cautious where
    few photographs differ: its own power is computed for them.
    """
    n = len(differences_n) if photographs is None else photographs
    if len(differences_n) < 2 or n < 2:
        return float("nan")
    whole = np.rint(differences_n)  # contributions round
    answers = np.abs(whole).max() <= 1 and np.allclose(differences_n, whole, rtol=0, atol=1e-9)
    discordant = float((whole**2).mean())
    if answers and 0 < discordant * n < MANY_DISCORDANT:
        return mcnemar_detectable(discordant, n, LEVEL, POWER)
    variance = discordant if answers else float(differences_n.var(ddof=1))
    return float((student.isf(LEVEL / 2, n - 1) + student.ppf(POWER, n - 1)) * np.sqrt(variance / n))


def share_larger(differences_n: np.ndarray) -> float:
    """Share of differences of photographs' own values that are above 0; 0 counts half, NaN not at all.

    What a photograph contributes to a ratio is no answer here: where it weighs little, that is nearly the difference of
    the whole set, and of the same sign on every such photograph.
    """
    present = differences_n[~np.isnan(differences_n)]
    if len(present) == 0:
        return float("nan")
    # Means over seeds round: what they leave of nothing is nothing.
    clean = np.where(np.abs(present) <= 1e-9 * np.abs(present).max(), 0.0, present)
    return float(((clean > 0) + 0.5 * (clean == 0)).mean())


def sign_flip(pairs: Sequence[tuple[Scored, Scored]], flips: int = FLIPS, seed: int = 0) -> np.ndarray:
    """Two-sided p-values of differences, float64 (len(pairs),): above 0, at most 1; NaN where a figure is.

    Were two runs the same, each photograph's two scores could as well stand the other way round. The p-value is
    the share of such exchanges that give a difference at least as large as the observed one. Of the plain mean that is
    flipping signs of differences; of 0 and 1 (accuracy) the exact test is McNemar's. Of a ratio of sums, as the
    rebalanced AuC, a photograph's whole contribution to both sums is exchanged.

    If all exchanges of those photographs that differ at all are no more than `flips`, each is taken once. Random
    exchanges are the same for all pairs, and the smallest p-value is then 1 / (flips + 1).

    Parameters
    ----------
    pairs : sequence of (Scored, Scored)
        The same kind of figure on the same photographs in the same order, for all pairs.

    References
    ----------
    R. A. Fisher (1935), The design of experiments, section 21.
    B. Phipson, G. K. Smyth (2010), Permutation p-values should never be zero. SAGMB 9.
    """
    p = np.full(len(pairs), np.nan)
    drawn = []
    for number, (one, other) in enumerate(pairs):
        if one.n != other.n:
            raise ValueError("two runs are compared on the same photographs")
        if not np.isfinite(one.value) or not np.isfinite(other.value):
            continue
        apart = (one.columns_nk != other.columns_nk).any(axis=1)
        if apart.sum() <= np.log2(flips):
            p[number] = _as_large([_Pair(one, other)], _all_signs(apart))[0] / 2.0 ** apart.sum()
        else:
            drawn.append(number)
    if drawn:
        waiting = [_Pair(*pairs[number]) for number in drawn]
        n, as_large, rng = waiting[0].half_nk.shape[0], np.zeros(len(waiting)), np.random.default_rng(seed)
        rows = max(1, BLOCK // n)
        for start in range(0, flips, rows):
            as_large += _as_large(waiting, _random_signs(rng, min(rows, flips - start), n))
        p[drawn] = (as_large + 1) / (flips + 1)
    return p


class _Pair:
    """Sums of two runs as their middle, plus and minus half of what is between them."""

    def __init__(self, one: Scored, other: Scored) -> None:
        self.half_nk = (one.columns_nk - other.columns_nk) / 2
        self.middle = (one.columns_nk.sum(axis=0) + other.columns_nk.sum(axis=0)) / 2
        self.of_sums = one.of_sums
        self.size = abs(one.value - other.value)
        # Equal differences must count as equal, however their sums were rounded.
        self.size -= 1e-9 * max(self.size, 1e-3 * max(abs(one.value), abs(other.value)))


def _as_large(pairs: Sequence[_Pair], signs_rn: np.ndarray) -> np.ndarray:
    ends = np.cumsum([pair.half_nk.shape[1] for pair in pairs])
    halves = np.split(signs_rn @ np.concatenate([pair.half_nk for pair in pairs], axis=1), ends[:-1], axis=1)
    counts = []
    for pair, half in zip(pairs, halves, strict=True):
        difference = np.abs(pair.of_sums(pair.middle + half) - pair.of_sums(pair.middle - half))
        # An exchange without a figure is no evidence against chance.
        counts.append(np.count_nonzero(~(difference < pair.size)))
    return np.array(counts, np.float64)


def _all_signs(apart_n: np.ndarray) -> np.ndarray:
    count = int(apart_n.sum())
    bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    signs = np.ones((2**count, len(apart_n)))
    signs[:, apart_n] = 2.0 * bits - 1
    return signs


def _random_signs(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(rng.bytes((rows * n + 7) // 8), np.uint8), count=rows * n)
    return bits.reshape(rows, n).astype(np.float64) * 2 - 1


def holm(p_values: Sequence[float], family: int | None = None) -> np.ndarray:
    """Adjust p-values so that the chance of any false alarm among them stays at the level.

    Parameters
    ----------
    p_values : sequence of float
        Those that are NaN stay so and count for nothing.
    family : int, optional
        Size of the family that these are part of, at least as many as they are. Comparisons with the best of k
        designs belong to all k (k - 1) / 2 pairs, since which one is best was seen first; taking these few for
        the smallest of the family is on the safe side.

    References
    ----------
    S. Holm (1979), A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, np.float64)
    present = np.flatnonzero(~np.isnan(p))
    size = len(present) if family is None else family
    if size < len(present):
        raise ValueError(f"a family of {size} cannot hold {len(present)} p-values")
    order = present[np.argsort(p[present], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (size - np.arange(len(order)))), 1.0)
    return adjusted
