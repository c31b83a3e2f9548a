"""How sure a share is."""

from __future__ import annotations

from math import sqrt

from scipy.stats import binomtest


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a proportion from `successes` out of `n`, Wilson's score method.

    It holds its confidence for small n and near 0 and 1, where the usual normal interval does not.

    Parameters
    ----------
    successes, n : int
        0 <= successes <= n, n > 0.
    confidence : float
        Above 0, below 1.

    Returns
    -------
    tuple of float
        Lower and upper bound, 0..1.

    References
    ----------
    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n} is not a proportion")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    bounds = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(bounds.low), float(bounds.high)


def score_interval(share: float, half: float) -> tuple[float, float]:
    """Interval of a share from the half width that it would have by its estimated variance.

    It holds the shares whose own variance, in place of the estimated one, would reach as far as to `share`: what
    Wilson's interval is, for a variance and tails of any kind. It ends within 0..1 and leans to the middle.

    Parameters
    ----------
    share : float
        Above 0, below 1.
    half : float
        Half of the symmetrical interval, above 0.
    """
    if not 0 < share < 1 or not half > 0:
        raise ValueError(f"a share of {share} with a half width of {half} has no score interval")
    # The bounds are where (share - truth)^2 is `ratio` times truth (1 - truth).
    ratio = half * half / (share * (1 - share))
    centre = (share + ratio / 2) / (1 + ratio)
    reach = sqrt(ratio * share * (1 - share) + ratio * ratio / 4) / (1 + ratio)
    return centre - reach, centre + reach
