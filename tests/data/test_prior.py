"""The prior of photographs whose colours are known."""

import numpy as np
import pytest
from PIL import Image

from oldrestore.color.bins import AB_BINS, nearest_bin
from oldrestore.color.lab import rgb_to_lab
from oldrestore.data import prior
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.errors import UserError

CROPS = Crops(16, 8)
RED, BLUE, GRAY = (220, 40, 30), (30, 60, 200), (90, 90, 90)


def flat(tmp_path, **colours):
    root = tmp_path / "flat"
    root.mkdir()
    for name, colour in colours.items():
        Image.new("RGB", (16, 16), colour).save(root / f"{name}.png")
    return ImageFolder(CROPS, str(root), validation_fraction=0).split("train")


def bin_of(colour):
    return int(nearest_bin(rgb_to_lab(np.array(colour, np.uint8))[1:]))


def test_counts_of_flat_photographs_without_the_gray_one(tmp_path):
    split = flat(tmp_path, a=RED, b=BLUE, c=GRAY)
    counts = prior.color_counts(split, CROPS)
    expected = np.zeros(313)
    expected[[bin_of(RED), bin_of(BLUE)]] = 256
    np.testing.assert_array_equal(counts, expected)


def test_prior_is_smoothed_by_a_gaussian_and_sums_to_one(tmp_path):
    smoothed = prior.dataset_prior(flat(tmp_path, a=RED), CROPS, sigma=5.0)
    assert smoothed.shape == (313,)
    assert smoothed.sum() == pytest.approx(1)
    distance = np.linalg.norm(AB_BINS.astype(float) - AB_BINS[bin_of(RED)], axis=1)
    kernel = np.exp(-(distance**2) / (2 * 5.0**2))
    np.testing.assert_allclose(smoothed, kernel / kernel.sum(), rtol=1e-6)


def test_all_gray_is_refused(tmp_path):
    with pytest.raises(UserError, match="gray, so there is no colour to learn"):
        prior.dataset_prior(flat(tmp_path, a=GRAY, b=(10, 10, 10)), CROPS)


def test_cache_is_used_and_a_corrupt_one_replaced(tmp_path, own_cache, monkeypatch):
    split = flat(tmp_path, a=RED, b=BLUE)
    first = prior.dataset_prior(split, CROPS)
    (path,) = (own_cache / "priors").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(prior, "photos_at_training_size", lambda split, crops: pytest.fail("counted again"))
        np.testing.assert_array_equal(prior.dataset_prior(split, CROPS), first)
        assert not np.array_equal(prior.dataset_prior(split, CROPS, sigma=10.0), first)
    for damage in (b"", b"nonsense", path.read_bytes()[:-40]):
        path.write_bytes(damage)
        np.testing.assert_array_equal(prior.dataset_prior(split, CROPS), first)
    np.savez(path, counts=np.full(313, np.nan))
    np.testing.assert_array_equal(prior.dataset_prior(split, CROPS), first)
    prior.dataset_prior(split, Crops(20, 8))
    assert len(list((own_cache / "priors").iterdir())) == 2
