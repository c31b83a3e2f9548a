"""Layouts and labels of folders."""

import os

import pytest

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.errors import UserError

CROPS = Crops(16, 8)


def labels(split):
    return {photo.name: photo.label for photo in split.photos}


@pytest.fixture
def make_set(make_photos, tmp_path):
    """Write folders of two different photographs each; returns the folder of them all."""

    def make(folders) -> str:
        for number, folder in enumerate(folders):
            make_photos(2, f"set/{folder}", first=2 * number)
        return str(tmp_path / "set")

    return make


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


# Folders of photographs that each split has, and below further ones; what is drawn by hash counts as train.
LAYOUTS = {
    "any case": {"train": ["Train"], "val": ["VAL"], "test": ["Test"]},
    "COCO": {"train": ["train2017"], "val": ["val2017"], "test": ["test2017"]},
    "Roboflow": {"train": ["train/images"], "val": ["valid/images"]},
    "Kaggle": {"train": ["training_set"], "test": ["test_set"]},
    "dev": {"train": ["train"], "val": ["dev"]},
    "images": {"train": ["train_images"], "val": ["validation-images"]},
    "DIV2K": {"train": ["DIV2K_train_HR"], "val": ["DIV2K_valid_HR"]},
    "words of two splits": {"train": ["seg_train"], "test": ["seg_test"]},
    "Places": {"train": ["train_large"], "val": ["val_large"]},
    "parts": {"train": ["train_0", "train_1"], "val": ["validation"]},
    "CycleGAN": {"train": ["trainA", "trainB"], "test": ["testA"]},
    "ADE20K's images": {"train": ["images/training"], "val": ["images/validation"]},
    "ImageNet's archive": {"train": ["ILSVRC/Data/CLS-LOC/train"], "val": ["ILSVRC/Data/CLS-LOC/val"]},
    "test beside classes": {"train": ["cats", "dogs"], "test": ["test"]},
    "val beside classes": {"train": ["cats"], "val": ["val"]},
    "val beside photographs": {"train": ["."], "val": ["val"]},
    "test deeper": {"train": ["2020/summer"], "test": ["2019/test"]},
    "splits beside an album": {"train": ["album", "web/train"], "val": ["web/val"]},
    "a class called Train": {"train": ["Bus", "Car", "Train"]},
    "a class called valid": {"train": ["invalid", "valid"]},
    "parts of one set": {"train": ["train_0", "train_1"]},
    "validation alone": {"val": ["val2017"]},
    "a copy of val": {"train": ["train"], "val": ["val"]},
}
UNUSED = {"words of two splits": ["seg_pred"], "a copy of val": ["val_original"]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_of_splits_by_their_names(make_set, tmp_path, layout):
    expected = LAYOUTS[layout]
    folders = [folder for several in [*expected.values(), UNUSED.get(layout, [])] for folder in several]
    fraction = 0.0 if "train" in expected and "val" not in expected else 0.2
    source = ImageFolder(CROPS, make_set(folders), validation_fraction=fraction)
    found = {}
    for split in source.split_names:
        if split in expected:
            parents = {photo.path.parent.relative_to(tmp_path / "set") for photo in source.split(split).photos}
            found[split] = sorted(parent.as_posix() for parent in parents)
    assert found == expected
    assert sum(len(source.split(split)) for split in expected) == 2 * sum(map(len, expected.values()))


ALONE = "and is not used as one, as no other split stands beside it"
NOTES = {
    ("train", "val", "test"): [],
    ("train2017", "val2017"): ["train is train2017/, val is val2017/"],
    ("Bus", "Train"): [f"Train/ looks like the split train {ALONE}"],
    ("invalid", "valid"): [f"valid/ looks like the split val {ALONE}"],
    ("bus", "train"): ["bus/ beside the splits is not used"],
    ("bus", "car", "dog", "elk", "train"): ["bus/, car/, dog/ and 1 more beside the splits are not used"],
    ("cats", "test"): ["test is test/, all other photographs are trained on"],
    ("train", "val", "val_raw"): ["val_raw/ looks like the split val and is not used as one, as val/ is"],
    ("train/7", "val"): ["val/ has no class folders, as train has: its photographs are unlabelled"],
    ("train/cats", "val"): [],
}


@pytest.mark.parametrize("folders", NOTES, ids=" ".join)
def test_what_is_not_as_its_name_says_is_a_line_in_the_description(make_set, folders):
    described = ImageFolder(CROPS, make_set(folders), validation_fraction=0).split("train").describe()
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
def test_two_folders_that_may_be_one_split_are_refused(make_set, folders, sentence):
    with pytest.raises(UserError, match=sentence):
        ImageFolder(CROPS, make_set(folders)).split("train")


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


def test_odd_names(make_photos):
    root = make_photos(2, "set")
    (root / "000.png").rename(os.fsdecode(os.fsencode(root) + b"/\xff.PNG"))
    split = ImageFolder(CROPS, str(root), validation_fraction=0).split("train")
    assert [photo.name for photo in split.photos] == ["001.png", "\\xff.PNG"]
