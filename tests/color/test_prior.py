import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oldrestore.color.bins import AB_BINS
from oldrestore.color.prior import count_bins, rebalancing_weights, smooth_prior
from tests.evaluation import plain_measures


def skewed_prior(seed: int = 0) -> np.ndarray:
    """A prior like real ones: most mass in few bins, most bins almost empty."""
    prior = np.random.default_rng(seed).gamma(0.1, size=313) + 1e-9
    return prior / prior.sum()


def bin_at(a: float, b: float) -> int:
    return int(np.flatnonzero((np.array([a, b]) == AB_BINS).all(axis=1))[0])


def test_count_bins_by_hand():
    ab = np.array([[[0.0, 0.0], [1.0, -2.0], [9.0, 9.0]], [[-90.0, 50.0], [4.9, 0.0], [100.0, 0.0]]])
    counts = count_bins(ab)
    assert counts.dtype == np.float64 and counts.sum() == 6
    assert counts[bin_at(0, 0)] == 3 and counts[bin_at(10, 10)] == 1
    assert counts[0] == 1 and counts[312] == 1


def test_smoothing_of_two_colours_spreads_each():
    counts = np.zeros(313)
    counts[[0, bin_at(0, 0)]] = 3.0, 5.0
    smoothed = smooth_prior(counts)
    np.testing.assert_allclose(smoothed, plain_measures.smoothed(counts), rtol=1e-12)
    assert smoothed.sum() == pytest.approx(1.0, abs=1e-12)
    # Each source keeps its mass, even the one at the corner of the 313.
    assert smoothed[AB_BINS[:, 0] < -45].sum() == pytest.approx(3 / 8, abs=1e-6)


def test_sigma_zero_only_normalises_and_a_huge_one_is_uniform():
    counts = np.arange(313.0)
    np.testing.assert_allclose(smooth_prior(counts, sigma=0.0), counts / counts.sum())
    np.testing.assert_allclose(smooth_prior(counts, sigma=1e6), 1 / 313, rtol=1e-6)


@pytest.mark.parametrize("lambda_", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_weights_against_their_closed_form(lambda_, alpha):
    p = skewed_prior()
    mix = (1 - lambda_) * p + lambda_ / 313
    expected = mix**-alpha / sum(p * mix**-alpha)
    np.testing.assert_allclose(rebalancing_weights(p, lambda_, alpha), expected, rtol=1e-9)


def test_the_range_of_weights_on_a_prior_with_the_published_extremes():
    # The ratio of the largest to the smallest weight depends on the prior's extremes alone. Published
    # ImageNet prior: 6.07e-9 and 0.2012; its weights at lambda 0.5 are 0.0965 and 6.17.
    p = np.full(313, (1 - 0.2012 - 6.07e-9) / 311)
    p[0], p[1] = 6.07e-9, 0.2012
    weights = rebalancing_weights(p)
    assert weights[0] / weights[1] == pytest.approx(6.17 / 0.0965, rel=2e-3)


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 3), st.floats(1.01, 1e4))
@settings(max_examples=200, deadline=None)
def test_the_clamp_holds_and_the_mean_weight_stays_one(seed, lambda_, alpha, clamp):
    p = skewed_prior(seed)
    weights = rebalancing_weights(p, lambda_, alpha, clamp)
    assert weights.max() <= clamp
    assert (p * weights).sum() == pytest.approx(1.0, abs=1e-9)
    # The order of the bins stays: rarer never weighs less.
    assert (np.diff(weights[np.argsort(p)]) <= 1e-9).all()
    # Below the clamp, weights keep their proportions: w mix^alpha is one constant.
    free = weights < clamp * (1 - 1e-9)
    mix = (1 - lambda_) * p + lambda_ / 313
    scale = weights[free] * mix[free] ** alpha
    assert scale.size == 0 or np.ptp(scale) <= 1e-7 * scale.max()


def test_colours_that_never_occur():
    p = np.zeros(313)
    p[:10] = 0.1
    with pytest.raises(ValueError, match="take a lambda_ above 0"):
        rebalancing_weights(p, lambda_=0.0)
    np.testing.assert_allclose(rebalancing_weights(p, lambda_=0.0, clamp=50.0), np.r_[np.ones(10), [50.0] * 303])
    weights = rebalancing_weights(p, lambda_=0.0, alpha=1000.0, clamp=50.0)
    assert np.isfinite(weights).all() and (p * weights).sum() == pytest.approx(1.0)


def test_counts_are_normalised_first():
    p = skewed_prior()
    np.testing.assert_allclose(rebalancing_weights(p * 12345), rebalancing_weights(p), rtol=1e-12)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (np.ones(529), "313"),
        (np.zeros(313), "empty"),
        (np.r_[np.ones(312), -1.0], "at least 0"),
        (np.r_[np.ones(312), np.nan], "finite"),
    ],
)
def test_what_is_no_prior_is_refused(prior, message):
    for use in (smooth_prior, rebalancing_weights):
        with pytest.raises(ValueError, match=message):
            use(prior)
