"""Bootstrap over photographs, in blocks of matrix products: many figures of many runs on the same resamples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from oldrestore.statistics.scored import Scored

RESAMPLES = 10_000
BLOCK = 2**20  # numbers drawn at once: 8 MB of float64
KEPT = 2**26  # numbers kept from one call to the next: 64 MB, for two sets of photographs


def resampled_values(scored: Sequence[Scored], resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Figures of resampled sets, float64 (len(scored), resamples), of the same photographs in the same order.

    Photographs are drawn with replacement, as many as there are, and every figure sees the same draws: the
    difference of two rows is the paired bootstrap of a difference. How often each photograph is drawn makes a
    matrix, and one product with it gives the sums of every figure.
    """
    if len({one.n for one in scored}) != 1:
        raise ValueError("figures of different numbers of photographs cannot be resampled together")
    columns = np.concatenate([one.columns_nk for one in scored], axis=1)
    ends = np.cumsum([one.columns_nk.shape[1] for one in scored])
    values = np.empty((len(scored), resamples))
    done = 0
    for counts in _counts(scored[0].n, resamples, seed):
        with np.errstate(invalid="ignore"):  # of values that are not finite there is no figure, and no warning
            parts = np.split(counts @ columns, ends[:-1], axis=1)
        for row, one, sums in zip(values, scored, parts, strict=True):
            row[done : done + len(counts)] = one.of_sums(sums)
        done += len(counts)
    return values


def bootstrap_interval(
    scored: Scored, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Interval of one figure over photographs; see `bca_interval`."""
    values = resampled_values([scored], resamples, seed)[0]
    return bca_interval(values, scored.value, scored.left_out, confidence)


def bca_interval(
    resampled: np.ndarray, value: float, left_out: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval, expanded for small samples.

    The levels are widened so that the interval of the mean of few normal numbers is as wide as Student's: the plain
    bootstrap takes the sample's spread for the population's, and misses too often below about 50 photographs. Bounds
    are NaN where more resamples have no figure than lie outside the interval, or where there is one photograph alone.

    Parameters
    ----------
    resampled : np.ndarray
        Figures of resampled sets.
    value : float
        Figure of the set itself.
    left_out : np.ndarray
        Figures without each photograph in turn.

    References
    ----------
    B. Efron (1987), Better bootstrap confidence intervals. JASA 82.
    T. C. Hesterberg (2015), What teachers should know about the bootstrap. The American Statistician 69 (expanded).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    n, tail = len(left_out), (1 - confidence) / 2
    finite = resampled[np.isfinite(resampled)]
    if n < 2 or not np.isfinite(value) or len(finite) < (1 - tail) * len(resampled):
        return float("nan"), float("nan")
    if np.ptp(finite) <= 1e-12 * abs(value):
        return value, value
    tolerance = 1e-12 * max(abs(value), np.ptp(finite))  # equal but for the rounding of sums
    below = np.count_nonzero(finite < value - tolerance)
    equal = np.count_nonzero(np.abs(finite - value) <= tolerance)
    # Where every resample lies on one side, as of a value at the end of its range, the bias is unknown.
    bias = ndtri(np.clip((below + equal / 2) / len(finite), 1 / (len(finite) + 1), len(finite) / (len(finite) + 1)))
    kept = left_out[np.isfinite(left_out)]
    apart = kept.mean() - kept
    spread = (apart**2).sum()
    acceleration = (apart**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    z = np.sqrt(n / (n - 1)) * student.ppf(1 - tail, n - 1)
    shifted = bias + np.array([-z, z])
    levels = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(finite, levels)
    return float(low), float(high)


def _counts(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks, float64 (rows, n), of how often each photograph is drawn."""
    if n * resamples <= KEPT:
        rows, kept = max(1, BLOCK // n), kept_counts(n, resamples, seed)
        blocks = (kept[start : start + rows] for start in range(0, resamples, rows))
    else:
        blocks = _draw(n, resamples, seed)
    for counts in blocks:
        yield counts.astype(np.float64)


@lru_cache(maxsize=2)
def kept_counts(n: int, resamples: int, seed: int) -> np.ndarray:
    """Every count, for the next figure of the same set; that one of 256 or more is drawn 256 times does not happen."""
    return np.concatenate([counts.astype(np.uint8) for counts in _draw(n, resamples, seed)])


def _draw(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // n)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = rng.integers(0, n, size=(size, n), dtype=np.int32)
        drawn += (np.arange(size, dtype=np.int32) * np.int32(n))[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
