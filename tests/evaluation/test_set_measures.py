"""FID and colourfulness of a set: what goes into them, and what is said of few photographs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from scipy.linalg import sqrtm

from oldrestore.color.lab import lab_to_rgb8, rgb_to_lab
from oldrestore.errors import UserError
from oldrestore.evaluation import set_measures
from oldrestore.evaluation.set_measures import SetMeasures, absolute_colorfulness
from oldrestore.models.inception_v3 import InceptionV3
from tests.evaluation.shared import context, gray, knowing
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


def reference_fid(one, other):
    shown = (bilinear(np.stack(photos).transpose(0, 3, 1, 2) / 255, 299) for photos in (one, other))
    a, b = map(FewFeatures.features, shown)
    (m, c), (n, d) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a.astype(np.float64), b.astype(np.float64)))
    return ((m - n) ** 2).sum() + np.trace(c + d) - 2 * np.trace(np.real(sqrtm(c @ d)))


def gray_photograph(rgb):
    lab = rgb_to_lab(rgb)
    lab[..., 1:] = 0
    return lab_to_rgb8(lab)


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
