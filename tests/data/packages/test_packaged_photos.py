"""The photographs that installed packages ship: counts, labels, and that nothing judged is trained on."""

import subprocess
import sys
from collections import Counter

import pytest

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages import installed as packages
from oldrestore.data.sources.labelled_photos import LabelledPhotos
from oldrestore.data.sources.photos import Photos
from oldrestore.errors import UserError

CROPS = Crops(96, 64)


def test_photos():
    source = Photos(CROPS)
    train, val = source.split("train"), source.split("val")
    folders = Counter(photo.name.rsplit("/", 1)[0] for split in (train, val) for photo in split.photos)
    assert folders == {
        "ai_benchmark/enhancement": 100,
        "ai_benchmark/segmentation": 30,
        "ai_benchmark/classification": 15,
        "scikit-image": 5,
        "scikit-learn": 2,
    }
    assert (len(train), len(val)) == (116, 36)
    # Results depend on these very photographs: another version of a package must not pass unnoticed.
    assert train.fingerprint == "90532272cd9d88b79c2f7a74a1a7aee4075587a9e68f776fd72dd600988cbae8"
    assert val.fingerprint == "cd1532914dd95077c21cf1292a2c6e95addd55a89af8730278be2afb10b0eec9"
    left_out = {left.name: left.reason for left in train.left_out}
    assert left_out["ai_benchmark/classification/0.jpg"] == "judged in labelled_photos, so never trained on"
    assert left_out["ai_benchmark/classification/7.jpg"] == "unnatural colours: shelf texture digitally repeated"
    assert left_out["scikit-image/retina.jpg"] == "fundus camera: no natural light"
    assert sum(reason.startswith("judged") for reason in left_out.values()) == 60
    assert sum("mask" in reason for reason in left_out.values()) == 30


def test_labelled_photos_are_eighty_and_never_trained_on():
    source = LabelledPhotos(CROPS)
    assert source.split_names == ("test",)
    split = source.split("test")
    assert Counter(photo.name.rsplit("/", 1)[0] for photo in split.photos) == {
        "foolbox": 20,
        "ai_benchmark/classification": 60,
    }
    by_name = {photo.name: photo.label for photo in split.photos}
    assert by_name["ai_benchmark/classification/0.jpg"] == 130  # flamingo
    assert by_name["ai_benchmark/classification/72.jpg"] == 134  # crane, the bird
    assert by_name["foolbox/imagenet_16_251.jpg"] == 251  # dalmatian
    assert all(0 <= label <= 999 for label in by_name.values())
    photos = Photos(CROPS)
    assert split.shared_with(photos.split("train")) == ()
    assert split.shared_with(photos.split("val")) == ()
    with pytest.raises(UserError, match="no split 'train'; choose test"):
        source.split("train")


def test_packages_are_read_and_not_imported():
    program = (
        "import sys\nfrom oldrestore.data.cropping.crops import Crops\n"
        "from oldrestore.data.sources.photos import Photos\n"
        "from oldrestore.data.sources.labelled_photos import LabelledPhotos\n"
        "Photos(Crops(96, 64)).offer(); LabelledPhotos(Crops(96, 64)).offer()\n"
        "print([m for m in ('ai_benchmark', 'foolbox', 'skimage', 'sklearn', 'paddle') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"ai-benchmark .* pip install ai-benchmark==0\.1\.2"):
        Photos(CROPS).split("train")


def test_these_sources_take_no_folder():
    for kind in (Photos, LabelledPhotos):
        with pytest.raises(UserError, match=r"dataset=image_folder dataset\.root=/somewhere"):
            kind(CROPS, root="/somewhere")
