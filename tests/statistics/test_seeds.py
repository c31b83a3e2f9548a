"""Seeds and photographs together: the cases that have a closed form."""

import numpy as np
import pytest
from scipy import stats

from oldrestore.statistics import (
    compare_designs,
    compare_pairs,
    gap_share,
    score_interval,
    seeds_and_images,
    share_over_seeds,
    weighted_mean,
    wilson_interval,
)


def scored(x_sn):
    return [weighted_mean(row) for row in x_sn]


def test_seeds_that_agree_leave_students_interval_over_photographs(rng):
    x = np.tile(rng.normal(size=25), (3, 1))
    found = seeds_and_images(scored(x))
    expected = stats.ttest_1samp(x[0], 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_photographs_that_agree_leave_students_interval_over_seeds(rng):
    x = np.tile(rng.normal(size=(4, 1)), (1, 25))
    found = seeds_and_images(scored(x), 0.9)
    expected = stats.ttest_1samp(x[:, 0], 0).confidence_interval(0.9)
    assert (found.value, found.low, found.high) == pytest.approx((x.mean(), expected.low, expected.high), rel=1e-9)


def test_variance_is_that_of_two_way_analysis(rng):
    x = 0.7 * np.array([[-1.0], [0.3], [0.9]]) + rng.normal(size=(1, 8)) + 0.4 * rng.normal(size=(3, 8))
    s, n = x.shape
    of_seeds = n * sum((x[i].mean() - x.mean()) ** 2 for i in range(s)) / (s - 1)
    of_images = s * sum((x[:, j].mean() - x.mean()) ** 2 for j in range(n)) / (n - 1)
    total = ((x - x.mean()) ** 2).sum()
    of_rest = (total - (s - 1) * of_seeds - (n - 1) * of_images) / ((s - 1) * (n - 1))
    variance = (of_seeds + of_images - of_rest) / (s * n)
    found = seeds_and_images(scored(x))
    assert (found.low + found.high) / 2 == pytest.approx(x.mean())
    # So far out lie 2.5% of the two t together, by their weights.
    out = (found.high - found.low) / 2 / variance**0.5
    share = (of_seeds - of_rest) / (of_seeds - of_rest + of_images)
    assert 0.2 < share < 0.95
    assert share * stats.t.sf(out, s - 1) + (1 - share) * stats.t.sf(out, n - 1) == pytest.approx(0.025, rel=1e-6)


def test_designs_whose_seeds_agree_are_compared_as_pairs(rng):
    one, other = rng.normal(0.3, 1, 20), rng.normal(0, 1, 20)
    found = compare_designs(scored(np.tile(one, (3, 1))), scored(np.tile(other, (2, 1))))
    test = stats.ttest_rel(one, other)
    interval = test.confidence_interval()
    assert (found.p_value, found.low, found.high) == pytest.approx((test.pvalue, interval.low, interval.high), rel=1e-9)
    assert (found.seeds, found.n) == ((3, 2), 20)


def test_designs_whose_photographs_agree_are_compared_as_welch_does(rng):
    one, other = rng.normal(0.5, 1, 5), rng.normal(0, 2, 3)
    found = compare_designs(scored(np.tile(one[:, None], (1, 30))), scored(np.tile(other[:, None], (1, 30))))
    test = stats.ttest_ind(one, other, equal_var=False)
    interval = test.confidence_interval()
    assert (found.p_value, found.low, found.high) == pytest.approx((test.pvalue, interval.low, interval.high), rel=1e-9)


def test_equal_designs_are_equal():
    runs = scored(np.ones((2, 5)))
    assert compare_designs(runs, runs).p_value == 1
    assert compare_designs(runs, scored(np.zeros((2, 5)))).p_value == 0
    whole = seeds_and_images(runs)
    assert (whole.value, whole.low, whole.high) == (1, 1, 1)
    with pytest.raises(ValueError, match="at least two seeds"):
        seeds_and_images(runs[:1])


def test_a_share_over_seeds_has_an_interval_that_ends_within_it(rng):
    right = rng.random(60) < 0.9
    # Seeds that are right on the same photographs, as on originals, are one measurement.
    same = share_over_seeds(scored(np.tile(right, (3, 1))))
    expected = stats.binomtest(int(right.sum()), 60).proportion_ci(method="wilson")
    assert (same.low, same.high) == pytest.approx((expected.low, expected.high))
    # Every answer right leaves no variance to be seen, and is not for sure.
    sure = share_over_seeds(scored(np.ones((3, 60))))
    assert (sure.value, sure.high) == (1, 1) and 0.9 < sure.low < 0.95
    # Otherwise: truths whose own variance would reach the share that was found.
    x = (rng.random((3, 60)) < 0.9).astype(float)
    found, plain = share_over_seeds(scored(x)), seeds_and_images(scored(x))
    squared = ((plain.high - plain.low) / 2) ** 2 / (plain.value * (1 - plain.value))
    for end in (found.low, found.high):
        assert (end - plain.value) ** 2 == pytest.approx(squared * end * (1 - end))
    assert 0 < found.low < plain.value < found.high < 1
    # Each seed and each photograph right as often as every other.
    turns = share_over_seeds(scored(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])))
    assert (turns.low, turns.high) == wilson_interval(2, 3)


def test_larger_on_counts_photographs_and_not_what_they_weigh():
    weights = np.array([1e6, 1.0, 1.0, 1.0])
    one = [weighted_mean([0.9, 0.1, 0.1, 0.5], weights)] * 2
    other = [weighted_mean([0.5, 0.2, 0.2, 0.5], weights)] * 2
    found = compare_designs(one, other)
    assert found.difference == pytest.approx(0.4, abs=1e-5)
    assert found.wins == pytest.approx(1.5 / 4)
    assert compare_pairs(one[0], other[0], 100, 100).wins == pytest.approx(1.5 / 4)
    # Of the share of the gap it is the photographs that are recognised.
    original, gray = [1, 1, 1, 0], [0, 1, 0, 0]
    gaps = [gap_share(ours, original, gray) for ours in ([1, 1, 0, 0], [0, 1, 0, 0])]
    assert compare_pairs(*gaps, 100, 100).wins == pytest.approx((1 + 3 / 2) / 4)
    # A photograph of no weight is none on which anything is larger.
    none = [weighted_mean(values, [1, 1, 0]) for values in ([2, 0, 9], [1, 1, 0])]
    assert compare_pairs(*none, 100, 100).wins == pytest.approx(1 / 2)


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (15, 20), (58, 60), (1, 1), (2000, 3923)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilsons_interval_against_the_formula(successes, n, confidence):
    z = stats.norm.isf((1 - confidence) / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = wilson_interval(successes, n, confidence)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert (low == 0.0) == (successes == 0) and (high == 1.0) == (successes == n)
    if 0 < p < 1:
        # Of a binomial variance, the score interval is Wilson's.
        assert score_interval(p, z * np.sqrt(p * (1 - p) / n)) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (0, 0), (1, 2, 1.0)])
def test_what_is_no_proportion_is_refused(arguments):
    with pytest.raises(ValueError, match=r"not be greater|not less than|confidence"):
        wilson_interval(*arguments)
