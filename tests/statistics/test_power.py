"""The smallest detectable difference, and how many photographs or seeds show a given one."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, nct, norm
from scipy.stats import t as student

from oldrestore.statistics import (
    compare_designs,
    compare_pairs,
    detectable_with,
    needed,
    sign_flip,
    smallest_detectable,
    weighted_mean,
)


def share_of_detected(n: int, discordant: float, difference: float) -> float:
    """Power of McNemar's exact test (5%, two-sided) for two shares of right answers that lie `difference` apart."""
    power, share = 0.0, max(discordant, difference)
    for differing in range(1, n + 1):
        ours = np.arange(differing + 1)
        tails = binom.cdf(ours, differing, 0.5), binom.sf(ours - 1, differing, 0.5)
        chances = binom.pmf(ours, differing, (share + difference) / (2 * share))
        power += binom.pmf(differing, n, share) * chances[2 * np.minimum(*tails) <= 0.05].sum()
    return power


def answers(n: int, discordant: float, difference: float = 0.0) -> np.ndarray:
    """Right minus wrong answers of two runs, int (n,)."""
    more = round(n * (discordant + difference) / 2)
    return np.repeat([1, -1, 0], [more, round(n * discordant) - more, n - round(n * discordant)])


@pytest.mark.parametrize(("n", "discordant"), [(100, 0.2), (300, 0.1), (1000, 0.3), (20_000, 0.2)])
def test_of_answers_it_is_about_2_80_roots_of_the_discordant_share_over_n(n, discordant):
    expected = (norm.isf(0.025) + norm.ppf(0.8)) * np.sqrt(discordant / n)
    assert expected < smallest_detectable(answers(n, discordant)) < 1.05 * expected
    # How many differ is all that counts: however far the runs were apart.
    assert smallest_detectable(answers(n, discordant, 0.08)) == smallest_detectable(answers(n, discordant))


# Where few differ, more would if the difference were as large as can be shown.
@pytest.mark.parametrize(("n", "discordant"), [(20, 0.2), (80, 0.05), (80, 0.15), (80, 0.2), (300, 0.1), (371, 0.05)])
def test_mcnemars_exact_test_detects_it_in_80_percent(n, discordant):
    apart = answers(n, discordant)
    detected = share_of_detected(n, np.mean(apart**2), smallest_detectable(apart))
    assert detected == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("n", [80, 300, 371])
@pytest.mark.parametrize("discordant", [0.05, 0.1, 0.2])
def test_answers_that_lie_so_far_apart_are_told_apart_in_80_percent(n, discordant, rng):
    """Pairs of runs drawn: how often SciPy's test finds the difference."""
    draws, difference = 20_000, smallest_detectable(answers(n, discordant))
    differing = rng.binomial(n, max(discordant, difference), draws)
    better = rng.binomial(differing, (1 + difference / max(discordant, difference)) / 2)
    outcomes, counts = np.unique(np.stack([better, differing]), axis=1, return_counts=True)
    found = [m > 0 and binomtest(int(k), int(m)).pvalue <= 0.05 for k, m in outcomes.T]
    assert counts @ found / draws == pytest.approx(0.8, abs=0.02)


def test_so_few_answers_show_nothing():
    assert np.isnan(smallest_detectable(np.array([1, -1, 0, 0, 1])))
    assert 0.9 < smallest_detectable(np.array([1, -1, 0, 0, 1, 0])) < 1  # all six must differ: the sixth root of 80%


@pytest.mark.parametrize("n", [10, 36, 80, 300])
def test_of_scores_the_paired_t_test_detects_it_in_80_percent(n, rng):
    apart = rng.normal(0.3, 1.7, n)
    noncentrality = smallest_detectable(apart) / (apart.std(ddof=1) / np.sqrt(n))
    critical = student.isf(0.025, n - 1)
    assert nct.sf(critical, n - 1, noncentrality) == pytest.approx(0.8, abs=0.01)


def test_a_comparison_of_answers_says_it():
    apart = answers(80, 0.2)
    one, other = weighted_mean(apart > 0), weighted_mean(apart < 0)
    assert compare_pairs(one, other, 100, 100).detectable == pytest.approx(smallest_detectable(apart), rel=1e-9)


def test_more_photographs_detect_less(rng):
    apart = rng.normal(size=40)
    assert smallest_detectable(apart, 160) == pytest.approx(smallest_detectable(apart) / 2, rel=0.04)
    assert np.isnan(smallest_detectable(apart[:1]))
    assert smallest_detectable(np.zeros(40)) == 0


def test_a_comparison_says_it(rng):
    one, other = weighted_mean(rng.normal(size=50)), weighted_mean(rng.normal(size=50))
    apart = one.singles - other.singles
    assert compare_pairs(one, other, 100, 100).detectable == pytest.approx(smallest_detectable(apart), rel=1e-9)


@pytest.fixture
def two_designs(rng):
    """Three and four seeds on 60 photographs."""
    hard = rng.normal(size=60)
    return [
        [weighted_mean(hard + seed + 0.3 * rng.normal(size=60)) for seed in rng.normal(0, 0.2, count)]
        for count in (3, 4)
    ]


def test_of_seeds_where_photographs_play_no_part_it_is_welchs(rng):
    """Photographs that are alike for all: what remains is a comparison of the seeds' means."""
    levels = rng.normal(size=5), rng.normal(size=5)
    one, other = ([weighted_mean(np.full(30, level)) for level in side] for side in levels)
    a, b = (side.var(ddof=1) / 5 for side in levels)
    freedom = (a + b) ** 2 / ((a**2 + b**2) / 4)
    expected = (student.isf(0.025, freedom) + student.ppf(0.8, freedom)) * np.sqrt(a + b)
    assert compare_designs(one, other).detectable == pytest.approx(expected, rel=1e-6)
    # Ten seeds, in place of five: deviations of the means are smaller by the root of two, and tails by theirs.
    wide = (student.isf(0.025, freedom / 4 * 9) + student.ppf(0.8, freedom / 4 * 9)) * np.sqrt((a + b) / 2)
    assert detectable_with(one, other, 30, 10) == pytest.approx(wide, rel=1e-6)


def test_as_many_as_there_are_give_what_the_comparison_says(two_designs):
    one, other = two_designs
    same = compare_designs(one, other[:3]).detectable
    assert detectable_with(one, other[:3], 60, 3) == pytest.approx(same, rel=0.05)
    assert detectable_with(one, other, 240, 3) < detectable_with(one, other, 60, 3)
    assert detectable_with(one, other, 60, 6) < detectable_with(one, other, 60, 3)


def test_photographs_needed_of_one_seed_each(rng):
    one, other = weighted_mean(rng.normal(size=80)), weighted_mean(rng.normal(size=80))
    apart = one.singles - other.singles
    found = needed([one], [other], 0.1)
    assert found.seeds is None
    # The closed form of a normal test; Student's takes a photograph or two more.
    assert found.photographs == pytest.approx((2.80159 * apart.std(ddof=1) / 0.1) ** 2, abs=3)
    assert smallest_detectable(apart, found.photographs) <= 0.1 < smallest_detectable(apart, found.photographs - 1)


def test_photographs_and_seeds_needed(two_designs):
    one, other = two_designs
    now = detectable_with(one, other, 60, 3)
    found = needed(one, other, now / 2)
    assert detectable_with(one, other, 60, found.seeds) <= now / 2 < detectable_with(one, other, 60, found.seeds - 1)
    # No number of photographs makes up for three seeds that scatter.
    assert needed(one, other, now / 100).photographs is None
    with pytest.raises(ValueError, match="above 0"):
        needed(one, other, 0)


def draws_of_designs(rng, seeds: int, of_seeds: float, difference: float):
    hard = rng.normal(size=80)
    levels = np.array([[difference], [0.0]]) + rng.normal(0, of_seeds, (2, seeds))
    return [
        [weighted_mean(hard + own + level + 0.3 * rng.normal(size=80)) for level in side]
        for side, own in zip(levels, 0.5 * rng.normal(size=(2, 80)), strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "of_seeds"), [(3, 0.0), (3, 0.05), (3, 0.15), (3, 0.5), (5, 0.15)])
def test_designs_that_lie_so_far_apart_are_told_apart_in_80_percent(seeds, of_seeds):
    """The variance is estimated without bias, but from few seeds roughly: its mean over draws is taken."""
    rng = np.random.default_rng(17)
    detectable = [compare_designs(*draws_of_designs(rng, seeds, of_seeds, 0)).detectable for _ in range(1000)]
    difference = np.sqrt(np.mean(np.square(detectable)))
    pairs = (compare_designs(*draws_of_designs(rng, seeds, of_seeds, difference)) for _ in range(4000))
    assert np.mean([pair.p_value <= 0.05 for pair in pairs]) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("draws", [300, pytest.param(4000, marks=pytest.mark.slow)])
def test_the_sign_flip_test_detects_it_in_80_percent(draws):
    rng, n, detected = np.random.default_rng(18), 80, 0
    standard = rng.normal(size=n)
    difference = smallest_detectable((standard - standard.mean()) / standard.std(ddof=1))
    for number in range(draws):
        one, other = weighted_mean(rng.normal(difference, 1, n)), weighted_mean(np.zeros(n))
        detected += sign_flip([(one, other)], 1000, seed=number)[0] <= 0.05
    # Two points, and what so few draws scatter.
    assert detected / draws == pytest.approx(0.8, abs=0.02 + 2 * 0.4 / draws**0.5)
