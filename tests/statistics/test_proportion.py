import pytest
from scipy.stats import binomtest

from oldrestore.statistics import wilson_interval


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (15, 20), (58, 60), (1, 1), (2000, 3923)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_against_scipy(successes, n, confidence):
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(successes, n, confidence)
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)


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
