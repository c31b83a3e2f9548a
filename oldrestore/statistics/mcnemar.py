"""Power of McNemar's exact test, which compares the right and wrong answers of two runs on the same photographs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

FEWEST = 6  # photographs that must differ: 2 / 2**6 is below 5%, 2 / 2**5 is not


def mcnemar_power(difference: float, discordant: float, n: int, level: float) -> float:
    """Chance that the two-sided test finds a difference between two shares of right answers on `n` photographs.

    `discordant` is the expected share of photographs on which one run is right and the other is not, at least the
    difference. The test looks at those alone, however many there are: its power is the mean over their number, which is
    binomial (S. W. Duffy 1984, Asymptotic and exact power for the McNemar test and its analogue with R controls per
    case, Biometrics 40).
    """
    discordant = max(discordant, difference)
    few, many = binom.ppf((1e-9, 1 - 1e-9), n, discordant)
    m = np.arange(max(few, 1), many + 1)
    # The most photographs on which the better run is wrong that the test still finds; -1 if it never does.
    most = binom.ppf(level / 2, m, 0.5)
    most -= binom.cdf(most, m, 0.5) > level / 2
    better = (1 + difference / discordant) / 2
    found = binom.sf(m - most - 1, m, better) + binom.cdf(most, m, better)
    return float(binom.pmf(m, n, discordant) @ found)


@lru_cache(maxsize=4096)
def mcnemar_detectable(discordant: float, n: int, level: float, power: float) -> float:
    """Smallest difference that the test finds with this power; NaN if `n` photographs are too few for any."""
    if n < FEWEST:
        return float("nan")
    return brentq(lambda difference: mcnemar_power(difference, discordant, n, level) - power, 1e-3 / n, 1.0, xtol=1e-6)
