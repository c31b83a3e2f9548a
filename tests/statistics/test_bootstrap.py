"""Bootstrap against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from oldrestore.statistics import (
    bca_interval,
    bootstrap,
    bootstrap_interval,
    gap_share,
    resampled_values,
    weighted_mean,
)


def ratio(values, weights, axis=-1):
    return (values * weights).sum(axis=axis) / weights.sum(axis=axis)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_bca_is_scipys_on_the_same_resamples_at_the_expanded_level(rng, confidence):
    values, weights = rng.exponential(1.0, 25), rng.gamma(2.0, 1.0, 25)
    # Hesterberg 2015: Student's quantile in place of the normal one, and n - 1 in place of n.
    level = 1 - 2 * stats.norm.sf(np.sqrt(25 / 24) * stats.t.isf((1 - confidence) / 2, 24))
    theirs = stats.bootstrap(
        (values, weights), ratio, paired=True, vectorized=True, n_resamples=2000, confidence_level=level, rng=rng
    )
    scored = weighted_mean(values, weights)
    ours = bca_interval(theirs.bootstrap_distribution, scored.value, scored.left_out, confidence)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)


def test_own_resamples_agree_with_scipys(rng):
    values, weights = rng.normal(1.0, 0.3, 40), rng.gamma(2.0, 1.0, 40)
    ours = resampled_values([weighted_mean(values, weights)], 20_000)[0]
    theirs = stats.bootstrap((values, weights), ratio, paired=True, vectorized=True, n_resamples=20_000, rng=rng)
    theirs = theirs.bootstrap_distribution
    assert ours.mean() == pytest.approx(theirs.mean(), abs=4 * theirs.std() / 100)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)
    assert np.quantile(ours, (0.025, 0.975)) == pytest.approx(np.quantile(theirs, (0.025, 0.975)), rel=0.01)


def test_resamples_of_several_figures_are_the_same_draws(rng):
    values = rng.normal(size=30)
    first, second, shifted = resampled_values(
        [weighted_mean(values), weighted_mean(values, np.full(30, 7.0)), weighted_mean(values + 2)], 500
    )
    assert first == pytest.approx(second, abs=1e-12)
    assert shifted - first == pytest.approx(2.0, abs=1e-12)
    assert first == pytest.approx(resampled_values([weighted_mean(values)], 500)[0], abs=1e-12)
    assert abs(first - resampled_values([weighted_mean(values)], 500, seed=1)[0]).max() > 0.1


def test_every_draw_holds_as_many_photographs_as_there_are():
    # Powers of a large base: the digits of a sum say how often each photograph was drawn.
    values = 1000.0 ** np.arange(4)
    sums = resampled_values([weighted_mean(values)], 300)[0] * 4
    digits = np.stack([np.round(sums) // 1000**k % 1000 for k in range(4)])
    assert (digits.sum(axis=0) == 4).all()
    assert digits.mean(axis=1) == pytest.approx(np.ones(4), abs=0.25)


def test_blocks_change_nothing(rng, monkeypatch):
    values = rng.normal(size=20)
    whole = resampled_values([weighted_mean(values)], 100)
    # NumPy draws the same numbers in pieces where the pieces are even.
    monkeypatch.setattr(bootstrap, "BLOCK", 20 * 10)
    assert resampled_values([weighted_mean(values)], 100) == pytest.approx(whole, abs=1e-12)
    monkeypatch.setattr(bootstrap, "KEPT", 0)
    assert resampled_values([weighted_mean(values)], 100) == pytest.approx(whole, abs=1e-12)


def test_ends_and_nothings():
    assert bootstrap_interval(weighted_mean([1.0] * 9)) == (1.0, 1.0)
    assert np.isnan(bootstrap_interval(weighted_mean([3.0]))).all()
    assert np.isnan(bootstrap_interval(gap_share([1, 0, 1], [1, 1, 0], [1, 0, 1]))).all()  # often no gap
    assert np.isnan(bootstrap_interval(weighted_mean([1.0, np.nan, 2.0]))).all()
    low, high = bootstrap_interval(weighted_mean([0.0] * 39 + [1.0]))
    assert 0 <= low < 1 / 40 < high < 0.2


def test_pooled_scores_weigh_what_they_weigh(rng):
    values, weights = rng.random(6), np.array([0, 1, 2, 3, 4, 5.0])
    scored = weighted_mean([np.nan, *values[1:]], weights)
    assert scored.value == pytest.approx(np.average(values, weights=weights))
    without = [np.average(np.delete(values, i), weights=np.delete(weights, i)) for i in range(6)]
    assert scored.left_out == pytest.approx(without)
    assert scored.contributions.mean() == pytest.approx(scored.value)
    assert weighted_mean(values).contributions == pytest.approx(values)
    assert gap_share([1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]).value == pytest.approx(1 / 3)
    assert np.isnan(gap_share([1, 0], [0, 1], [1, 0]).value)
    for wrong in (([], None), ([1.0], [-1.0]), ([1.0, 2.0], [1.0])):
        with pytest.raises(ValueError, match="weight"):
            weighted_mean(*wrong)
