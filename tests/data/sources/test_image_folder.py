"""Layouts and labels of folders."""

import hashlib
import os

import pytest

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.data.sources.source import split_fingerprint
from oldrestore.errors import UserError

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


# Folders with photographs, and the folders that each split then has; what is drawn by hash counts as train.
LAYOUTS = {
    "any case": (["Train", "VAL", "Test"], {"train": ["Train"], "val": ["VAL"], "test": ["Test"]}),
    "COCO": (["train2017", "val2017", "test2017"], {"train": ["train2017"], "val": ["val2017"], "test": ["test2017"]}),
    "Roboflow": (["train/images", "valid/images"], {"train": ["train/images"], "val": ["valid/images"]}),
    "Kaggle": (["training_set", "test_set"], {"train": ["training_set"], "test": ["test_set"]}),
    "dev": (["train", "dev"], {"train": ["train"], "val": ["dev"]}),
    "images": (["train_images", "validation-images"], {"train": ["train_images"], "val": ["validation-images"]}),
    "DIV2K": (["DIV2K_train_HR", "DIV2K_valid_HR"], {"train": ["DIV2K_train_HR"], "val": ["DIV2K_valid_HR"]}),
    "words of two splits": (["seg_train", "seg_test", "seg_pred"], {"train": ["seg_train"], "test": ["seg_test"]}),
    "Places": (["train_large", "val_large"], {"train": ["train_large"], "val": ["val_large"]}),
    "parts": (
        ["train_0", "train_1", "validation"],
        {"train": ["train_0", "train_1"], "val": ["validation"]},
    ),
    "CycleGAN": (["trainA", "trainB", "testA"], {"train": ["trainA", "trainB"], "test": ["testA"]}),
    "ADE20K's images": (
        ["images/training", "images/validation"],
        {"train": ["images/training"], "val": ["images/validation"]},
    ),
    "ImageNet's archive": (
        ["ILSVRC/Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/val"],
        {"train": ["ILSVRC/Data/CLS-LOC/train"], "val": ["ILSVRC/Data/CLS-LOC/val"]},
    ),
    "test beside classes": (["cats", "dogs", "test"], {"train": ["cats", "dogs"], "test": ["test"]}),
    "val beside classes": (["cats", "val"], {"train": ["cats"], "val": ["val"]}),
    "val beside photographs": ([".", "val"], {"train": ["."], "val": ["val"]}),
    "test deeper": (["2019/test", "2020/summer"], {"train": ["2020/summer"], "test": ["2019/test"]}),
    "splits beside an album": (
        ["album", "web/train", "web/val"],
        {"train": ["album", "web/train"], "val": ["web/val"]},
    ),
    "a class called Train": (["Bus", "Car", "Train"], {"train": ["Bus", "Car", "Train"]}),
    "a class called valid": (["invalid", "valid"], {"train": ["invalid", "valid"]}),
    "parts of one set": (["train_0", "train_1"], {"train": ["train_0", "train_1"]}),
    "validation alone": (["val2017"], {"val": ["val2017"]}),
    "a copy of val": (["train", "val", "val_original"], {"train": ["train"], "val": ["val"]}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_of_splits_by_their_names(make_photos, tmp_path, layout):
    folders, expected = LAYOUTS[layout]
    for number, folder in enumerate(folders):
        make_photos(2, f"set/{folder}", first=2 * number)
    fraction = 0.0 if "train" in expected and "val" not in expected else 0.2
    source = ImageFolder(CROPS, str(tmp_path / "set"), validation_fraction=fraction)
    found = {}
    for split in source.split_names:
        if split in expected:
            parents = {
                photo.path.parent.relative_to(tmp_path / "set").as_posix() for photo in source.split(split).photos
            }
            found[split] = sorted(parents)
    assert found == expected
    assert sum(len(source.split(split)) for split in expected) == 2 * sum(map(len, expected.values()))


ALONE = "and is not used as one, as no other split stands beside it"
NOTES = {
    ("train", "val", "test"): [],
    ("train2017", "val2017"): ["train is train2017/, val is val2017/"],
    ("Bus", "Train"): [f"Train/ looks like the split train {ALONE}"],
    ("invalid", "valid"): [
        "valid/ looks like the split val and is not used as one, as no other split stands beside it"
    ],
    ("bus", "train"): ["bus/ beside the splits is not used"],
    ("bus", "car", "dog", "elk", "train"): ["bus/, car/, dog/ and 1 more beside the splits are not used"],
    ("cats", "test"): ["test is test/, all other photographs are trained on"],
    ("train", "val", "val_raw"): ["val_raw/ looks like the split val and is not used as one, as val/ is"],
    ("train/7", "val"): ["val/ has no class folders, as train has: its photographs are unlabelled"],
    ("train/cats", "val"): [],
}


@pytest.mark.parametrize("folders", NOTES, ids=" ".join)
def test_what_is_not_as_its_name_says_is_a_line_in_the_description(make_photos, tmp_path, folders):
    for number, folder in enumerate(folders):
        make_photos(2, f"set/{folder}", first=2 * number)
    described = ImageFolder(CROPS, str(tmp_path / "set"), validation_fraction=0).split("train").describe()
    assert described.get("notes", []) == NOTES[folders]


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (("train", "val", "valid"), "val/ and valid/ in .* both look like the split val: rename one of them"),
        (("train", "validation", "val"), "val/ and validation/ in .* both look like the split val"),
        (("train2014", "val2014", "train2017"), "train2014/ and train2017/ in .* both look like the split train"),
        (("train", "Training", "test"), "Training/ and train/ in .* both look like the split train"),
        (
            ("masks/train", "masks/val", "images/train", "images/val"),
            "has splits in images/ and masks/: give one of them, as in dataset.root=.*/images",
        ),
    ],
)
def test_two_folders_that_may_be_one_split_are_refused(make_photos, tmp_path, folders, sentence):
    for number, folder in enumerate(folders):
        make_photos(1, f"set/{folder}", first=number)
    with pytest.raises(UserError, match=sentence):
        ImageFolder(CROPS, str(tmp_path / "set")).split("train")


def test_labels_of_splits_in_any_case(make_photos, tmp_path):
    make_photos(1, "set/Train2017/7")
    make_photos(1, "set/Val2017/130", first=1)
    source = ImageFolder(CROPS, str(tmp_path / "set"))
    assert labels(source.split("train")) == {"Train2017/7/000.png": 7}
    assert labels(source.split("val")) == {"Val2017/130/001.png": 130}


def test_fingerprints_of_folders_that_were_right_do_not_change(make_photos, tmp_path):
    make_photos(2, "set/train/7")
    make_photos(2, "set/val/7", first=2)
    source = ImageFolder(CROPS, str(tmp_path / "set"))
    for split, numbers in (("train", (0, 1)), ("val", (2, 3))):
        files = [(tmp_path / "set" / split / "7" / f"{number:03}.png").read_bytes() for number in numbers]
        expected = split_fingerprint([(hashlib.sha256(content).hexdigest(), 7) for content in files])
        assert source.split(split).fingerprint == expected
    (tmp_path / "set" / "train" / "7" / "notes.txt").write_text("x")
    (tmp_path / "set" / ".hidden").mkdir()
    again = ImageFolder(CROPS, str(tmp_path / "set"))
    assert again.split("train").fingerprint == source.split("train").fingerprint


def test_files_that_are_no_photographs_are_counted(make_photos, tmp_path):
    root = make_photos(2, "set/train")
    (root / "a.XML").write_text("x")
    (root / "b.XML").write_text("x")
    (root / "README").write_text("x")
    (root / ".DS_Store").write_text("x")
    (root / ".cache").mkdir()
    (root / ".cache" / "0.png").write_bytes(b"")
    split = ImageFolder(CROPS, str(tmp_path / "set"), validation_fraction=0).split("train")
    assert {left.name for left in split.ignored} == {
        f"train/{name}" for name in ("a.XML", "b.XML", "README", ".DS_Store", ".cache")
    }
    assert split.describe()["ignored"] == {
        "a hidden file": 1,
        "a hidden folder": 1,
        "not a photograph by its name (.XML)": 2,
        "not a photograph by its name (without an ending)": 1,
    }
    assert split.left_out == ()


def test_a_split_whose_folder_is_empty_says_which(make_photos, tmp_path):
    make_photos(1, "set/train")
    (tmp_path / "set" / "val").mkdir()
    source = ImageFolder(CROPS, str(tmp_path / "set"))
    with pytest.raises(UserError, match=r"the split 'val' of image_folder is empty: .*/val holds no photograph"):
        source.split("val")
    assert len(source.split("train")) == 1


def test_links_that_lead_back_and_odd_names(make_photos, tmp_path):
    root = make_photos(2, "set")
    (root / "again").symlink_to(root)
    (root / "a").mkdir()
    (root / "a" / "b").symlink_to(root / "a")
    (root / "000.png").rename(os.fsdecode(os.fsencode(root) + b"/\xff.PNG"))
    split = ImageFolder(CROPS, str(root), validation_fraction=0).split("train")
    assert [photo.name for photo in split.photos] == ["001.png", "\\xff.PNG"]
