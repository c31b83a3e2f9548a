"""Soft encoding: each colour to its nearest bins with Gaussian weights (Zhang, Isola, Efros 2016, 2.2)."""

from __future__ import annotations

import numpy as np

from oldrestore.color.bins import nearest_bins


def soft_encode(ab: np.ndarray, neighbours: int = 5, sigma: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Encode colours as a few bins with weights that sum to 1.

    Parameters
    ----------
    ab : ndarray, (..., 2)
        Colours in Lab units; clipped to -130..130.
    neighbours : int
        How many of the 313 bins each colour is spread over: 5 in the paper, 10 in its released code.
    sigma : float
        Standard deviation of the Gaussian over the distance to a bin's centre, Lab units, above 0.

    Returns
    -------
    indices : ndarray, int64 (..., neighbours)
        Bins, nearest first; of equal distances the lower index comes first.
    weights : ndarray, float32 (..., neighbours)
        exp(-d^2 / (2 sigma^2)), normalised.

    Raises
    ------
    ValueError
        When ``ab`` is not (..., 2) or not finite, or a parameter is out of range.
    """
    require_sigma(sigma)
    indices, squared = nearest_bins(ab, neighbours)
    # Far from every bin all the exponentials would underflow; relative to the nearest, one of them is 1.
    weights = np.exp((squared[..., :1] - squared) / np.float32(doubled_variance(sigma)))
    weights /= weights.sum(axis=-1, keepdims=True)
    return indices, weights


def doubled_variance(sigma: float) -> float:
    """Return 2 sigma^2, at least 1e-30 and at most 1e30: beyond, float32 would make NaN of what is 0 or 1 anyway."""
    return min(max(2.0 * sigma * sigma, 1e-30), 1e30)


def require_sigma(sigma: float) -> None:
    """Raise ``ValueError`` unless ``sigma`` is a finite number above 0."""
    if not (0.0 < sigma < float("inf")):
        raise ValueError(f"sigma must be a number above 0 (Lab units), got {sigma}")
