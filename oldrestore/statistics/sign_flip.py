"""Sign-flip test of two runs on the same photographs: is it chance which of them did better?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oldrestore.statistics.scored import Scored

FLIPS = 10_000
BLOCK = 2**20  # signs at once: 8 MB of float64


def sign_flip(
    pairs: Sequence[tuple[Scored, Scored]], flips: int = FLIPS, seed: int = 0, exact: bool = True
) -> np.ndarray:
    """Two-sided p-values of differences, float64 (len(pairs),).

    Were two runs the same, each photograph's two scores could as well stand the other way round. The p-value is
    the share of such exchanges that give a difference at least as large as the one found. Of the plain mean that is
    flipping signs of differences; of 0 and 1 (accuracy) the exact test is McNemar's. Of a ratio of sums, as the
    rebalanced AuC, a photograph's whole contribution to both sums is exchanged.

    Parameters
    ----------
    pairs : sequence of (Scored, Scored)
        The same kind of figure on the same photographs in the same order, for all pairs.
    flips : int
        Random exchanges; the smallest p-value is then 1 / (flips + 1).
    seed : int
        Of the exchanges, which are the same for all pairs.
    exact : bool
        Where all exchanges of those photographs that differ at all are no more than `flips`, take each of them once.

    Returns
    -------
    np.ndarray
        Above 0, at most 1; NaN where a figure is.

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
        if exact and apart.sum() <= np.log2(flips):
            p[number] = _as_large([_Pair(one, other)], _all_signs(apart))[0] / 2.0 ** apart.sum()
        else:
            drawn.append(number)
    if drawn:
        held = [_Pair(*pairs[number]) for number in drawn]
        n, found, rng = held[0].half_nk.shape[0], np.zeros(len(held)), np.random.default_rng(seed)
        rows = max(1, BLOCK // n)
        for start in range(0, flips, rows):
            found += _as_large(held, _random_signs(rng, min(rows, flips - start), n))
        p[drawn] = (found + 1) / (flips + 1)
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
