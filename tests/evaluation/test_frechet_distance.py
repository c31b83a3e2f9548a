"""The Frechet distance against SciPy, closed forms and all photographs at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from oldrestore.evaluation.set_measures import FeatureStatistics, frechet_distance, root


def covariance(rng, features, rank=None, scale=1.0):
    factor = rng.normal(size=(features, rank or 3 * features)) * scale
    return factor @ factor.T / factor.shape[1]


@pytest.mark.parametrize("features", [1, 2, 17, 40])
def test_it_is_what_scipys_square_root_gives(features):
    rng = np.random.default_rng(features)
    one, other = covariance(rng, features), covariance(rng, features, scale=2.0)
    means = rng.normal(size=(2, features))
    cross = np.trace(np.real(sqrtm(one @ other)))
    theirs = ((means[0] - means[1]) ** 2).sum() + np.trace(one) + np.trace(other) - 2 * cross
    assert frechet_distance(means[0], one, means[1], other) == pytest.approx(theirs, rel=1e-10)


def test_commuting_covariances_have_a_closed_form():
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    a, b = rng.uniform(0.01, 9, 30), rng.uniform(0.01, 9, 30)
    one, other = (turned * a) @ turned.T, (turned * b) @ turned.T
    mean = rng.normal(size=30)
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum() + (mean**2).sum()
    assert frechet_distance(mean, one, np.zeros(30), other) == pytest.approx(expected, rel=1e-12)


def test_one_feature_by_hand():
    # Means 1 and 4, variances 4 and 9: 9 + 4 + 9 - 2 * 6.
    distance = frechet_distance(np.array([1.0]), np.array([[4.0]]), np.array([4.0]), np.array([[9.0]]))
    assert distance == pytest.approx(10.0)


def test_singular_covariances_need_no_help():
    # Orthogonal subspaces: the cross term is 0 exactly. Equal ones of low rank: the distance is.
    one, other = np.zeros((2, 6, 6))
    one[:2, :2], other[3:5, 3:5] = np.diag([3.0, 2.0]), np.diag([5.0, 1.0])
    zero = np.zeros(6)
    assert frechet_distance(zero, one, zero, other) == pytest.approx(11.0, abs=1e-12)
    low = covariance(np.random.default_rng(1), 60, rank=5)
    assert frechet_distance(np.ones(60), low, np.ones(60), low) == pytest.approx(0, abs=1e-9)
    # A low-rank pair against the nuclear norm of the factors' product, which needs no root at all.
    rng = np.random.default_rng(2)
    f, g = rng.normal(size=(50, 4)), rng.normal(size=(50, 7))
    expected = (f**2).sum() + (g**2).sum() - 2 * np.linalg.svd(f.T @ g, compute_uv=False).sum()
    assert frechet_distance(np.zeros(50), f @ f.T, np.zeros(50), g @ g.T) == pytest.approx(expected, rel=1e-7)


def test_it_is_symmetric_and_never_negative():
    rng = np.random.default_rng(4)
    one, other = covariance(rng, 25), covariance(rng, 25, rank=3)
    zero = np.zeros(25)
    there = frechet_distance(zero, one, zero, other)
    assert there == pytest.approx(frechet_distance(zero, other, zero, one), rel=1e-9)
    assert there > 0
    assert frechet_distance(zero, one, zero, one) >= 0


def test_it_grows_with_features_that_are_scaled_by_a_million():
    rng = np.random.default_rng(5)
    one, other = covariance(rng, 12), covariance(rng, 12)
    zero = np.zeros(12)
    small = frechet_distance(zero, one, zero, other)
    assert frechet_distance(zero, one * 1e12, zero, other * 1e12) == pytest.approx(small * 1e12, rel=1e-9)


def test_root_is_the_root():
    c = covariance(np.random.default_rng(6), 20)
    np.testing.assert_allclose(root(c) @ root(c), c, atol=1e-12)
    np.testing.assert_allclose(root(c), np.real(sqrtm(c)), atol=1e-9)


@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3], [50, 51, 120], [0, 70]])
def test_statistics_do_not_depend_on_the_batches(cuts):
    rng = np.random.default_rng(7)
    features = 1e4 + rng.normal(size=(130, 9)) * rng.uniform(0.1, 3, 9)
    found = FeatureStatistics(9)
    for part in np.split(features, cuts):
        found.add(part.astype(np.float64))
    assert found.n == 130
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(features, rowvar=False), rtol=1e-9, atol=1e-11)


def test_what_is_no_statistics_is_refused():
    found = FeatureStatistics(3)
    with pytest.raises(ValueError, match="two photographs"):
        found.covariance  # noqa: B018
    for wrong, sentence in ((np.zeros((2, 4)), "are not"), (np.full((1, 3), np.nan), "not finite")):
        with pytest.raises(ValueError, match=sentence):
            found.add(wrong)
    with pytest.raises(ValueError, match="cannot be compared"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
