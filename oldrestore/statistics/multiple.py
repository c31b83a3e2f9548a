"""Many comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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

    Returns
    -------
    np.ndarray
        Adjusted p-values, at most 1, in the order given.

    References
    ----------
    S. Holm (1979), A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, np.float64)
    held = np.flatnonzero(~np.isnan(p))
    size = len(held) if family is None else family
    if size < len(held):
        raise ValueError(f"a family of {size} cannot hold {len(held)} p-values")
    order = held[np.argsort(p[held], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (size - np.arange(len(order)))), 1.0)
    return adjusted
