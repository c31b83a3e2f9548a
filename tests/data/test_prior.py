"""The prior of photographs whose colours are known."""

import numpy as np
import pytest
from PIL import Image

from oldrestore.color.bins import nearest_bin
from oldrestore.color.lab import rgb_to_lab
from oldrestore.color.prior import smooth_prior
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
    smoothed = prior.dataset_prior(split, CROPS, sigma=4.0)
    np.testing.assert_array_equal(smoothed, smooth_prior(expected / expected.sum(), 4.0))


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
    prior.dataset_prior(split, Crops(16, 8, decoding="fast"))
    assert len(list((own_cache / "priors").iterdir())) == 3


def test_a_picture_is_written_or_refused(tmp_path):
    even = np.full(313, 1 / 313)
    prior.plot_prior(even, tmp_path / "prior.png", title="uniform")
    with Image.open(tmp_path / "prior.png") as image:
        assert len(image.convert("RGB").getcolors(2**20)) > 300  # every bin is drawn in a colour of its own
    for path in (tmp_path / "missing" / "prior.png", tmp_path / "prior.nonsense"):
        with pytest.raises(UserError, match=r"prior\."):
            prior.plot_prior(even, path, title="uniform")
