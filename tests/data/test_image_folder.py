"""Layouts and labels of folders."""

import os

from oldrestore.data.crops import Crops
from oldrestore.data.image_folder import ImageFolder

CROPS = Crops(16, 8)


def labels(split):
    return {photo.name: photo.label for photo in split.photos}


def test_train_and_val_folders_with_class_indices(make_photos, tmp_path):
    make_photos(2, "set/train/7", first=0)
    make_photos(1, "set/train/130/deeper", first=2)
    make_photos(2, "set/validation/7", first=3)
    make_photos(1, "set/test/130", first=5)
    make_photos(1, "set/elsewhere", first=6)
    source = ImageFolder(CROPS, str(tmp_path / "set"))
    assert source.split_names == ("train", "val", "test")
    assert labels(source.split("train")) == {
        "train/130/deeper/002.png": 130,
        "train/7/000.png": 7,
        "train/7/001.png": 7,
    }
    assert labels(source.split("val")) == {"validation/7/003.png": 7, "validation/7/004.png": 7}
    assert labels(source.split("test")) == {"test/130/005.png": 130}
    assert [left.name for left in source.split("val").left_out] == ["elsewhere/006.png"]
    assert set(source.describe()["splits"]) == {"train", "val", "test"}


def test_the_same_photograph_is_never_in_two_splits(make_photos, tmp_path):
    make_photos(3, "set/train", first=0)
    make_photos(3, "set/val", first=2)
    source = ImageFolder(CROPS, str(tmp_path / "set"))
    assert source.split("val").shared_with(source.split("train")) == ()
    assert [(left.name, left.reason) for left in source.split("val").left_out] == [
        ("val/002.png", "duplicate of train/002.png")
    ]


def test_train_without_val_is_split_by_hash(make_photos, tmp_path):
    make_photos(30, "set/train")
    source = ImageFolder(CROPS, str(tmp_path / "set"), validation_fraction=0.4)
    assert source.split_names == ("train", "val")
    assert len(source.split("train")) + len(source.split("val")) == 30


def test_a_thousand_wordnet_folders_are_ranked(make_photos, tmp_path):
    for number in range(1000):
        (tmp_path / "set" / "val" / f"n{10 * number:08}").mkdir(parents=True)
    make_photos(1, "set/val/n00001300", first=0)
    make_photos(1, "set/val/n00009990", first=1)
    source = ImageFolder(CROPS, str(tmp_path / "set"))
    assert source.split_names == ("val",)
    assert labels(source.split("val")) == {"val/n00001300/000.png": 130, "val/n00009990/001.png": 999}


def test_other_folder_names_are_no_labels(make_photos, tmp_path):
    make_photos(2, "wordnet/n01440764")
    make_photos(2, "years/2019")
    make_photos(1, "mixed/3")
    make_photos(1, "mixed/cats", first=1)
    make_photos(1, "flat")
    for name in ("wordnet", "years", "mixed", "flat"):
        split = ImageFolder(CROPS, str(tmp_path / name), validation_fraction=0).split("train")
        assert set(labels(split).values()) == {None}


def test_a_class_may_be_called_test(make_photos, tmp_path):
    make_photos(2, "set/cats")
    make_photos(2, "set/test", first=2)
    source = ImageFolder(CROPS, str(tmp_path / "set"), validation_fraction=0)
    assert len(source.split("train")) == 4


def test_links_that_lead_back_and_odd_names(make_photos, tmp_path):
    root = make_photos(2, "set")
    (root / "again").symlink_to(root)
    (root / "a").mkdir()
    (root / "a" / "b").symlink_to(root / "a")
    (root / "000.png").rename(os.fsdecode(os.fsencode(root) + b"/\xff.PNG"))
    split = ImageFolder(CROPS, str(root), validation_fraction=0).split("train")
    assert [photo.name for photo in split.photos] == ["001.png", "\\xff.PNG"]
