"""The colour prior: how often each of the 313 bins occurs, and the weights that make rare colours count.

After Zhang, Isola, Efros 2016, "Colorful Image Colorization", section 2.2 (class rebalancing).
"""

from __future__ import annotations

import numpy as np

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS, nearest_bin


def count_bins(ab: np.ndarray) -> np.ndarray:
    """Count the colours (..., 2), Lab units, whose nearest bin is each of the 313, as float64 (313,)."""
    return np.bincount(nearest_bin(ab).ravel(), minlength=NUMBER_OF_BINS).astype(np.float64)


def smooth_prior(prior: np.ndarray, sigma: float = 5.0) -> np.ndarray:
    """Smooth a prior with a Gaussian over the ab plane, so that a rare colour is rare and never impossible.

    Each bin's mass is spread over all bins by a Gaussian of the distance between their centres, with weights
    that sum to 1: nothing is lost at the ragged border of the 313 bins.

    Counts or probabilities (313,) become float64 (313,) that sum to 1. `sigma` is in Lab units; 0 normalises only, the
    published prior used 5. `ValueError` if the prior has another shape, negative or non-finite entries or no mass.
    """
    prior = _checked(prior)
    if sigma > 0.0:
        centres = AB_BINS.astype(np.float64)
        squared = ((centres[:, None] - centres[None]) ** 2).sum(axis=-1)
        spread = np.exp(-squared / (2.0 * sigma * sigma))
        spread /= spread.sum(axis=1, keepdims=True)
        prior = prior @ spread
    return prior / prior.sum()


def rebalancing_weights(
    prior: np.ndarray, lambda_: float = 0.5, alpha: float = 1.0, clamp: float | None = None
) -> np.ndarray:
    """Weights of the bins, float64 (313,), under which rare colours count as much as common ones.

    With u = ((1 - lambda) p + lambda / 313) ** -alpha, the weights are w = s u, where s is the one scale at
    which sum(p w) = 1: the expected weight of a pixel is 1 and losses with and without rebalancing share
    their scale. With a clamp they are w = min(s u, clamp), and s is again the one scale at which
    sum(p w) = 1: no weight exceeds the clamp, what is cut off is given back to all other bins in proportion,
    and the order of the bins never changes. The scale is found exactly, not by iteration.

    Parameters
    ----------
    prior : ndarray, (313,)
        The smoothed prior p, or counts: it is normalised first.
    lambda_ : float
        0..1: the share of a uniform distribution. 1 gives weights of 1 everywhere.
    alpha : float
        At least 0: 0 gives weights of 1 everywhere, 1 divides by the mixed prior.
    clamp : float or None
        The highest weight allowed, above 1 (the mean weight is 1); None leaves the weights as they are. Full
        rebalancing (lambda 0) needs it: on the published ImageNet prior its weights reach 5e5.

    `ValueError` if the prior is invalid, or weights would be infinite without a clamp.
    """
    p = _checked(prior)
    p = p / p.sum()
    mix = (1.0 - lambda_) * p + lambda_ / NUMBER_OF_BINS
    if alpha == 0.0:
        return np.ones(NUMBER_OF_BINS)
    # Logarithms: no power of a small number overflows before the scale is known.
    with np.errstate(divide="ignore"):
        log_u = -alpha * np.log(mix)
    if clamp is not None:
        return _scaled_under_clamp(p, log_u, clamp)
    present = p > 0.0
    terms = np.log(p[present]) + log_u[present]
    log_scale = -(terms.max() + np.log(np.exp(terms - terms.max()).sum()))
    if not log_u.max() + log_scale < np.log(np.finfo(np.float64).max):
        raise ValueError(
            f"weights at lambda_ {lambda_} and alpha {alpha} are infinite for colours that the prior lacks: "
            "take a lambda_ above 0, a smoothed prior, or a clamp"
        )
    return np.exp(log_u + log_scale)


def _scaled_under_clamp(p: np.ndarray, log_u: np.ndarray, clamp: float) -> np.ndarray:
    """Find w = min(s u, clamp) with sum(p w) = 1: clamp ever more of the largest until the rest fits."""
    order = np.argsort(-log_u, kind="stable")
    sorted_log_u, mass = log_u[order], p[order]
    for clamped, log_first in enumerate(sorted_log_u):
        if log_first == np.inf:
            continue
        rest = (mass[clamped:] * np.exp(sorted_log_u[clamped:] - log_first)).sum()
        left = 1.0 - clamp * mass[:clamped].sum()
        # left / rest is the weight of the largest bin that is not clamped.
        if left <= clamp * rest:
            with np.errstate(over="ignore"):
                return np.minimum(np.exp(log_u - log_first) * (left / rest), clamp)
    raise AssertionError("a clamp above 1 always admits a scale")


def _checked(prior: np.ndarray) -> np.ndarray:
    prior = np.asarray(prior, dtype=np.float64)
    if prior.shape != (NUMBER_OF_BINS,):
        raise ValueError(f"a prior has {NUMBER_OF_BINS} entries, one for each ab bin, got shape {prior.shape}")
    if not np.isfinite(prior).all() or (prior < 0.0).any():
        raise ValueError("a prior holds finite numbers of at least 0")
    if prior.sum() == 0.0:
        raise ValueError("the prior is empty: no colour was counted")
    return prior
