"""What must hold of every interval and test: closed forms, no dependence on order, symmetry."""

from math import isnan

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oldrestore.statistics import bootstrap_interval, holm, sign_flip, weighted_mean, wilson_interval

# Scores as measures have them: no numbers so small that their squares vanish.
scores = st.lists(st.integers(-1000, 1000).map(lambda n: n / 64), min_size=2, max_size=40)
pairs_of_scores = st.integers(2, 24).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-64, 64).map(lambda v: v / 16), min_size=n, max_size=n)] * 2)
)
p_values = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilsons_interval_holds_the_share_and_does_not_mind_which_side_is_counted(counts, confidence):
    successes, n = counts
    low, high = wilson_interval(successes, n, confidence)
    assert 0 <= low <= successes / n <= high <= 1
    mirrored = wilson_interval(n - successes, n, confidence)
    np.testing.assert_allclose((1 - mirrored[1], 1 - mirrored[0]), (low, high), atol=1e-12)


@settings(max_examples=25)
@given(scores, st.randoms(use_true_random=False))
def test_bootstrap_intervals_hold_the_mean_and_do_not_mind_the_order(values, random):
    assume(len(set(values)) > 1)
    scored = weighted_mean(values)
    low, high = bootstrap_interval(scored, resamples=2000)
    assert low <= scored.value <= high
    assert min(values) <= scored.value <= max(values)
    shuffled = list(values)
    random.shuffle(shuffled)
    assert weighted_mean(shuffled).value == scored.value
    other = bootstrap_interval(weighted_mean(shuffled), resamples=2000)
    # Other draws from the same set: the ends move by the noise of 2000 resamples only.
    width = high - low
    np.testing.assert_allclose(other, (low, high), atol=0.35 * width)


@settings(max_examples=25)
@given(scores, st.integers(-50, 50), st.sampled_from([0.25, 2.0, 8.0]))
def test_bootstrap_intervals_move_and_stretch_with_the_scores(values, shift, scale):
    assume(len(set(values)) > 1)
    plain = np.array(bootstrap_interval(weighted_mean(values), resamples=1000))
    moved = np.array(bootstrap_interval(weighted_mean(np.array(values) * scale + shift), resamples=1000))
    np.testing.assert_allclose(moved, plain * scale + shift, atol=1e-6 * (1 + np.abs(moved).max()))


@given(scores)
def test_photographs_without_weight_count_for_nothing(values):
    one = weighted_mean(values, np.ones(len(values)))
    more = weighted_mean([*values, 1e9], np.r_[np.ones(len(values)), 0.0])
    assert one.value == more.value


@settings(max_examples=25)
@given(pairs_of_scores)
def test_sign_flips_are_symmetric_and_do_not_mind_the_order(pair):
    one, other = map(np.array, pair)
    # Of sums of sixteenths there is no rounding: ties are ties.
    p = sign_flip([(weighted_mean(one), weighted_mean(other))], flips=2000)[0]
    assert 0 < p <= 1
    assert sign_flip([(weighted_mean(other), weighted_mean(one))], flips=2000)[0] == p
    # The means take the scores' signs along.
    assert sign_flip([(weighted_mean(-one), weighted_mean(-other))], flips=2000)[0] == p
    if np.count_nonzero(one != other) <= np.log2(2000):
        turned = sign_flip([(weighted_mean(one[::-1]), weighted_mean(other[::-1]))], flips=2000)[0]
        assert turned == p, "every exchange is counted: the order cannot matter"


@given(p_values)
def test_holm_adjusts_upwards_in_order(values):
    adjusted = holm(values)
    held = [(p, q) for p, q in zip(values, adjusted, strict=True) if not isnan(p)]
    assert all(p <= q <= 1 for p, q in held)
    assert all(isnan(q) for p, q in zip(values, adjusted, strict=True) if isnan(p))
    ordered = [q for _, q in sorted(held)]
    assert ordered == sorted(ordered)
    if held:
        smallest = min(held)
        np.testing.assert_allclose(smallest[1], min(1, smallest[0] * len(held)))
