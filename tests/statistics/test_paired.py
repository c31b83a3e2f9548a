"""Sign flips and paired differences against SciPy and plain enumeration."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from oldrestore.statistics import compare_pairs, compare_with, gap_share, holm, sign_flip, weighted_mean


@pytest.mark.parametrize(("n", "flips", "tolerance"), [(9, 10_000, 1e-12), (40, 20_000, 0.012)])
def test_exchanges_are_scipys_all_or_at_random(rng, n, flips, tolerance):
    one, other = rng.normal(0.3, 1, n), rng.normal(0, 1, n)
    difference = lambda x, y, axis: (x - y).mean(axis=axis)  # noqa: E731
    theirs = stats.permutation_test((one, other), difference, permutation_type="samples", n_resamples=flips, rng=rng)
    ours = sign_flip([(weighted_mean(one), weighted_mean(other))], flips)[0]
    assert ours == pytest.approx(theirs.pvalue, abs=tolerance)


@pytest.mark.parametrize(("better", "worse"), [(9, 2), (5, 5), (1, 0), (12, 1)])
def test_of_right_and_wrong_it_is_mcnemars(better, worse):
    one = np.array([1] * better + [0] * worse + [1] * 30)
    other = np.array([0] * better + [1] * worse + [1] * 30)
    expected = stats.binomtest(better, better + worse).pvalue
    assert sign_flip([(weighted_mean(one), weighted_mean(other))])[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["ratio", "gap"])
def test_figures_that_are_no_means_exchange_whole_photographs(rng, kind):
    a, b = (rng.random((3, 8)) + np.array([[0.0], [0.6], [0.0]]) for _ in range(2))
    a[0] += 0.25
    scored, figure = {
        "ratio": (lambda x: weighted_mean(*x[:2]), lambda x: (x[0] * x[1]).sum() / x[1].sum()),
        "gap": (lambda x: gap_share(*x), lambda x: (x[0].sum() - x[2].sum()) / (x[1].sum() - x[2].sum())),
    }[kind]
    found = abs(figure(a) - figure(b)) - 1e-12
    at_least = [
        abs(figure(np.where(swap, b, a)) - figure(np.where(swap, a, b))) >= found
        for swap in np.array(list(product([False, True], repeat=8)))
    ]
    assert sign_flip([(scored(a), scored(b))])[0] == pytest.approx(np.mean(at_least), abs=1e-12)


def test_ends_of_p_values(rng):
    same = weighted_mean(rng.normal(size=50))
    far = weighted_mean(same.contributions + 1)
    none = weighted_mean([np.nan] * 50)
    p = sign_flip([(same, same), (far, same), (none, same)], 999)
    assert p[:2] == pytest.approx([1.0, 0.001])
    assert np.isnan(p[2])


def test_a_paired_difference_says_what_it_is(rng):
    hard = rng.normal(size=60)
    one, other = hard + 0.1 * rng.normal(size=60) + 0.05, hard + 0.1 * rng.normal(size=60)
    found = compare_pairs(weighted_mean(one), weighted_mean(other))
    apart = one - other
    test = stats.ttest_rel(one, other)
    student = test.confidence_interval()
    assert found.difference == pytest.approx(apart.mean())
    assert (found.low, found.high) == pytest.approx((student.low, student.high), abs=0.1 * (student.high - student.low))
    assert found.p_value == pytest.approx(test.pvalue, abs=0.01)
    assert found.effect == pytest.approx(apart.mean() / apart.std(ddof=1))
    assert found.wins == pytest.approx((apart > 0).mean())
    assert (found.n, found.seeds) == (60, (1, 1))
    turned = compare_with(weighted_mean(one), [weighted_mean(other)])[0]
    assert (turned.difference, turned.p_value) == pytest.approx((-found.difference, found.p_value))
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=0.002)


def test_ties_and_equals():
    equal = compare_pairs(weighted_mean([1.0, 2.0, 3.0]), weighted_mean([1.0, 2.0, 3.0]))
    assert (equal.difference, equal.low, equal.high, equal.p_value, equal.effect, equal.wins) == (0, 0, 0, 1, 0, 0.5)
    one, other = weighted_mean([1.0, 0, 1, 1]), weighted_mean([0.0, 0, 1, 1])
    assert compare_pairs(one, other).wins == pytest.approx((1 + 0.5 * 3) / 4)
    with pytest.raises(ValueError, match="numbers of photographs"):
        compare_pairs(one, weighted_mean([1.0]))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.01, np.nan, 0.02]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)
    assert holm([0.01, 0.02], family=3) == pytest.approx([0.03, 0.04])
    assert len(holm([])) == 0
    with pytest.raises(ValueError, match="family"):
        holm([0.1, 0.2], family=1)
