from math import sqrt
from statistics import NormalDist

import pytest

from oldrestore.statistics import score_interval, wilson_interval


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (15, 20), (58, 60), (1, 1), (2000, 3923)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_against_the_formula(successes, n, confidence):
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = wilson_interval(successes, n, confidence)
    assert low == pytest.approx(centre - half, abs=1e-12)
    assert high == pytest.approx(centre + half, abs=1e-12)
    assert (low == 0.0) == (successes == 0) and (high == 1.0) == (successes == n)


def test_the_score_interval_of_a_binomial_variance_is_wilsons():
    half = NormalDist().inv_cdf(0.975) * sqrt(0.25 * 0.75 / 60)
    assert score_interval(0.75, half) == pytest.approx(wilson_interval(45, 60), abs=1e-12)


def test_closed_form_at_the_middle():
    # p = 1/2: centre 1/2, half width z / (2 sqrt(n + z^2)).
    low, high = wilson_interval(50, 100)
    z = 1.959963984540054
    assert high - low == pytest.approx(z / (100 + z * z) ** 0.5)
    assert low + high == pytest.approx(1)


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (0, 0), (1, 2, 1.0)])
def test_nonsense_is_refused(arguments):
    with pytest.raises(ValueError, match=r"proportion|confidence"):
        wilson_interval(*arguments)
