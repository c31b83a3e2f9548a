"""FID and colourfulness of a set: what goes into them, few photographs, and the Frechet distance against SciPy."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from scipy.linalg import sqrtm

from oldrestore.errors import UserError
from oldrestore.evaluation import set_measures
from oldrestore.evaluation.set_measures import FeatureStatistics, SetMeasures, absolute_colorfulness, frechet_distance
from oldrestore.models.inception_v3 import InceptionV3
from tests.evaluation.shared import context, gray, gray_photograph, knowing
from tests.models import pickle_writer
from tests.models.plain_inception import bilinear, random_state

PHOTOGRAPHS = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)


class FewFeatures:
    """Stands in for Inception: three features of a photograph that depend on all of its pixels' colours."""

    def __init__(self, *_):
        pass

    @staticmethod
    def features(x_b3ss):
        return np.stack([x_b3ss[:, 0].mean((1, 2)), x_b3ss[:, 1].std((1, 2)), (x_b3ss[:, 2] ** 2).mean((1, 2))], axis=1)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(set_measures, "InceptionV3", FewFeatures)
    monkeypatch.setattr(set_measures, "FEATURES", 3)
    monkeypatch.setattr(set_measures, "Engine", lambda network, size: network.features)


def measured(colorize, batch_size=3, **settings):
    photos = [(f"{i}.png", rgb) for i, rgb in enumerate(PHOTOGRAPHS)]
    return SetMeasures(**settings)(context(SimpleNamespace(), photos, batch_size, colorize))


def scipys(m, c, n, d):
    """The Frechet distance by SciPy's square root."""
    return ((m - n) ** 2).sum() + np.trace(c + d) - 2 * np.trace(np.real(sqrtm(c @ d)))


def reference_fid(one, other):
    shown = (bilinear(np.stack(photos).transpose(0, 3, 1, 2) / 255, 299) for photos in (one, other))
    features = [FewFeatures.features(photos).astype(np.float64) for photos in shown]
    return scipys(*(moment for x in features for moment in (x.mean(0), np.cov(x, rowvar=False))))


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_recoloured_photographs_are_measured_against_the_originals(few, batch_size):
    found = measured(gray, batch_size, weights="w.pth")
    grays = [gray_photograph(rgb) for rgb in PHOTOGRAPHS]
    assert found.values["fid"] == pytest.approx(reference_fid(grays, PHOTOGRAPHS), rel=1e-5)
    assert list(found.values) == ["fid", "cf", "cf_original", "delta_cf"]
    assert found.notes == []


def test_a_perfect_colorizer_is_at_no_distance(few):
    found = measured(knowing(PHOTOGRAPHS), weights="w.pth").values
    assert found["fid"] == pytest.approx(0, abs=1e-6)
    assert found["delta_cf"] == pytest.approx(0, abs=0.02)  # to the rounding of 8 bits


def test_delta_cf_is_of_the_means_and_not_the_mean_of_deltas(few):
    found = measured(gray, fid=False)
    cf = [absolute_colorfulness(gray_photograph(rgb)) for rgb in PHOTOGRAPHS]
    original = [absolute_colorfulness(rgb) for rgb in PHOTOGRAPHS]
    assert "fid" not in found.values
    assert found.values["cf"] == pytest.approx(np.mean(cf))
    assert found.values["cf_original"] == pytest.approx(np.mean(original))
    assert found.values["delta_cf"] == pytest.approx(abs(np.mean(cf) - np.mean(original)))
    assert [score.value for score in found.per_image if score.metric == "cf_original"] == pytest.approx(original)


def test_fewer_photographs_than_features_are_noted(few, monkeypatch):
    monkeypatch.setattr(set_measures, "FEATURES", 7)
    monkeypatch.setattr(
        set_measures, "Engine", lambda network, size: lambda x: np.repeat(network.features(x), 3, 1)[:, :7]
    )
    found = measured(gray, weights="w.pth")
    assert found.notes[0].startswith("FID is of 7 photographs, not more than its 7 features: it is biased upwards")
    assert np.isfinite(found.values["fid"])


def test_absolute_colorfulness_by_hand():
    # Half of the pixels (200, 100, 0), half (100, 200, 0): |R - G| = 100 everywhere, |(R + G) / 2 - B| = 150.
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0], rgb[1] = (200, 100, 0), (100, 200, 0)
    assert absolute_colorfulness(rgb) == pytest.approx(0.3 * np.hypot(100, 150))
    assert absolute_colorfulness(np.full((4, 4, 3), 77, np.uint8)) == 0


@pytest.mark.slow
def test_the_fast_engine_gives_inceptions_features(tmp_path):
    pickle_writer.write_zip(tmp_path / "w.pth", random_state())
    network = InceptionV3(str(tmp_path / "w.pth"))
    shown = set_measures.as_input(list(PHOTOGRAPHS[:2]))
    with paddle.no_grad():
        slowly = network(paddle.to_tensor(shown)).numpy()
    quickly = set_measures.Engine(network, 299)(shown)
    np.testing.assert_allclose(quickly, slowly, atol=1e-4 * slowly.max())


def test_fid_without_weights_is_refused_in_one_sentence():
    with pytest.raises(
        UserError, match="FID needs the weights of Inception v3, which are not shipped: name a file"
    ) as e:
        SetMeasures()
    assert "\n" not in str(e.value) and "fid=false" in str(e.value)
    with pytest.raises(UserError, match=r"there is no weights file 'gone\.pth'"):
        SetMeasures(weights="gone.pth")


def covariance(rng, features, rank=None, scale=1.0):
    factor = rng.normal(size=(features, rank or 3 * features)) * scale
    return factor @ factor.T / factor.shape[1]


@pytest.mark.parametrize("features", [1, 2, 17, 40])
def test_it_is_what_scipys_square_root_gives(features):
    rng = np.random.default_rng(features)
    one, other = covariance(rng, features), covariance(rng, features, scale=2.0)
    means = rng.normal(size=(2, features))
    given = means[0], one, means[1], other
    assert frechet_distance(*given) == pytest.approx(scipys(*given), rel=1e-10)


def test_singular_covariances_need_no_help():
    # Orthogonal subspaces: the cross term is 0 exactly. Equal ones of low rank: the distance is.
    one, other = np.zeros((2, 6, 6))
    one[:2, :2], other[3:5, 3:5] = np.diag([3.0, 2.0]), np.diag([5.0, 1.0])
    zero = np.zeros(6)
    assert frechet_distance(zero, one, zero, other) == pytest.approx(11.0, abs=1e-12)
    low = covariance(np.random.default_rng(1), 60, rank=5)
    assert 0 <= frechet_distance(np.ones(60), low, np.ones(60), low) < 1e-9
    # A low-rank pair against the nuclear norm of the factors' product, which needs no root at all.
    rng = np.random.default_rng(2)
    f, g = rng.normal(size=(50, 4)), rng.normal(size=(50, 7))
    expected = (f**2).sum() + (g**2).sum() - 2 * np.linalg.svd(f.T @ g, compute_uv=False).sum()
    assert frechet_distance(np.zeros(50), f @ f.T, np.zeros(50), g @ g.T) == pytest.approx(expected, rel=1e-7)


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
