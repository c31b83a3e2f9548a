"""Groups of photographs that no split has one of and another split the next: by folder, name and likeness."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources import grouping, index
from oldrestore.data.sources.grouping import groups_of, is_held_out, is_trained_on
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.similarity import SIDE, near_duplicates, thumbnail
from oldrestore.errors import UserError
from tests.generated_photographs import make_photograph

CROPS = Crops(16, 8)


def textured(seed: int, side: int = 160) -> np.ndarray:
    """A made photograph with the falling spectrum of real ones, over its shapes."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    noise = np.fft.fft2(np.random.default_rng(seed).normal(size=(side, side)))
    grain = np.fft.ifft2(noise / np.maximum(frequencies, 1 / side)).real
    return np.clip(make_photograph(seed, side) + 25 * (grain / grain.std())[..., None], 0, 255).astype(np.uint8)


def saved_again(rgb: np.ndarray, side: int = 100, quality: int = 40) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(rgb).resize((side, side)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def cropped(rgb: np.ndarray, top: float, bottom: float, left: float, right: float) -> np.ndarray:
    h, w = rgb.shape[:2]
    return np.ascontiguousarray(rgb[int(top * h) : int(bottom * h), int(left * w) : int(right * w)])


# What is done to a photograph that stays the same photograph.
MADE = {
    "saved again": saved_again,
    "brighter": lambda rgb: np.clip(1.2 * rgb + 10, 0, 255).astype(np.uint8),
    "gray": lambda rgb: np.asarray(Image.fromarray(rgb).convert("L").convert("RGB")),
    "mirrored": lambda rgb: saved_again(rgb[:, ::-1]),
    "cropped": lambda rgb: cropped(rgb, 0.12, 0.93, 0.03, 0.88),
    "cropped in one direction": lambda rgb: cropped(rgb, 0, 1, 0.2, 0.97),
    "cropped and mirrored": lambda rgb: saved_again(cropped(rgb, 0.1, 0.97, 0.02, 0.86)[:, ::-1]),
}


@pytest.mark.parametrize("made", MADE)
def test_near_duplicates_are_found(made):
    """Each of eight photographs and what was made of it, among the others: these pairs and no other."""
    photographs = [textured(seed) for seed in range(8)]
    every = [*photographs, *(MADE[made](rgb) for rgb in photographs)]
    assert near_duplicates(np.stack([*map(thumbnail, every)])) == [(place, place + 8) for place in range(8)]


def test_a_small_shift_is_a_near_duplicate():
    """Two parts of one scene, of which neither is a part of the other."""
    one = [cropped(textured(seed), 0, 0.96, 0, 0.96) for seed in range(8)]
    other = [cropped(textured(seed), 0.04, 1, 0.04, 1) for seed in range(8)]
    pairs = near_duplicates(np.stack([*map(thumbnail, [*one, *other])]))
    assert pairs == [(place, place + 8) for place in range(8)]


def test_false_friends_are_apart():
    """The same light and layout with other things in it, another part of one scene, upside down, and plain walls."""
    scene = textured(1)
    friends = [
        scene,
        np.clip(make_photograph(1, 160) + textured(2).astype(int) - make_photograph(2, 160), 0, 255).astype(np.uint8),
        cropped(scene, 0, 0.5, 0, 0.5),
        cropped(scene, 0.5, 1, 0.5, 1),
        np.ascontiguousarray(scene[::-1]),
        np.full((160, 160, 3), 90, np.uint8),
        np.full((160, 160, 3), 91, np.uint8),
    ]
    assert near_duplicates(np.stack([*map(thumbnail, friends)])) == []


def test_no_two_of_many_different_photographs_are_alike():
    assert near_duplicates(np.stack([thumbnail(textured(seed)) for seed in range(100)])) == []


@pytest.mark.slow
def test_five_thousand_thumbnails_with_a_hundred_pairs():
    photographs = [textured(seed, SIDE) for seed in range(4900)]
    every = [*photographs, *(saved_again(rgb, SIDE, 60) for rgb in photographs[:100])]
    pairs = near_duplicates(np.stack([*map(thumbnail, every)]))
    assert pairs == [(place, place + 4900) for place in range(100)]


NAMES = {
    "an edit": (["IMG_1234", "IMG_1234-crop", "IMG_1234_edited2", "img_1234 copy"], [4]),
    "a copy with a number": (["IMG_1234", "IMG_1234_2", "IMG_1234 (1)", "IMG_1234-12"], [4]),
    "numbers without a first": (["photo_1", "photo_2", "photo (3)"], [1, 1, 1]),
    "numbers of cameras": (["IMG_1234", "IMG_1235", "IMG_123", "IMG"], [1, 1, 1, 1]),
    "sizes": (["a-1024x768", "a-640x480", "a"], [3]),
    "several endings": (["a", "a_2-crop", "a-crop_2"], [3]),
    "a word that only ends like one": (["landscape", "landscrop", "lands"], [1, 1, 1]),
    "dates": (["2019-08-11", "2019-08-12"], [1, 1]),
    "a word alone": (["crop", "-crop"], [1, 1]),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case):
    stems, sizes = NAMES[case]
    photos = [Photo(f"{stem}.jpg", None) for stem in stems]
    groups = groups_of(photos, [""] * len(photos), "name")
    assert sorted(map(len, groups)) == sizes
    assert sorted(place for group in groups for place in group) == [*range(len(photos))]


def test_names_of_other_folders_are_others():
    photos = [Photo(name, None) for name in ("cats/1.jpg", "dogs/1.jpg", "cats/1.png", "dogs/1-crop.jpg")]
    assert groups_of(photos, [""] * 4, "name") == [[0, 2], [1, 3]]
    assert groups_of(photos, [""] * 4, "folder") == [[0, 2], [1, 3]]


def test_one_alone_is_drawn_as_ever_and_several_as_one():
    held_out, trained = "0" * 64, "f" * 64
    assert is_held_out([held_out], 0.2) and not is_held_out([trained], 0.2)
    assert is_held_out([held_out, trained], 0.2) == is_held_out([trained, held_out], 0.2)
    # As often as single photographs: neither the first nor the last of them decides.
    hashes = [f"{number * 7919:064x}" for number in range(4000)]
    drawn = [is_held_out(hashes[at : at + 4], 0.2) for at in range(0, 4000, 4)]
    assert np.mean(drawn) == pytest.approx(0.2, abs=0.04)


@pytest.fixture
def shoot(tmp_path):
    """Ten photographs, each with a mirrored copy in another folder."""
    for seed in range(10):
        for folder, pixels in (("first", textured(seed)), ("second", saved_again(textured(seed)[:, ::-1]))):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{seed}.png")
    return tmp_path


def splits_of(root, **options):
    source = ImageFolder(CROPS, str(root), validation_fraction=0.5, **options)
    return source.split("train"), source.split("val")


def test_a_share_of_the_photographs_to_train_on(shoot):
    whole = splits_of(shoot)
    kept = {}
    for share in (0.25, 0.5, 1.0):
        train, held_out = splits_of(shoot, training_fraction=share)
        assert held_out == whole[1]
        kept[share] = set(train.hashes)
        assert kept[share] == {sha256 for sha256 in whole[0].hashes if int(sha256[16:32], 16) < share * 2**64}
    assert kept[0.25] <= kept[0.5] < kept[1.0] == set(whole[0].hashes)
    hashes = [f"{'0' * 16}{number * 2**52:016x}{'0' * 32}" for number in range(4096)]
    assert np.mean([is_trained_on(sha256, 0.125) for sha256 in hashes]) == 0.125


def test_a_photograph_and_its_copy_are_in_one_split(shoot):
    by_side = [{photo.name for photo in split.photos} for split in splits_of(shoot)]
    assert any((f"first/{seed}.png" in by_side[0]) != (f"second/{seed}.png" in by_side[0]) for seed in range(10))
    train, val = splits_of(shoot, group_by="similarity")
    assert len(train) + len(val) == 20 and len(train) and len(val)
    for split in (train, val):
        described = split.describe()
        assert described["group_by"] == "similarity"
        seeds = [photo.name[6:] for photo in split.photos if photo.name.startswith("first/")]
        assert described["groups"] == [[f"first/{seed}", f"second/{seed}"] for seed in seeds]
        assert len(split) == 2 * len(seeds)
    json.dumps(train.describe())


def test_what_was_grouped_once_is_remembered(shoot, monkeypatch):
    first = splits_of(shoot, group_by="similarity")
    monkeypatch.setattr(index, "near_duplicates", lambda thumbnails: pytest.fail("compared again"))
    assert splits_of(shoot, group_by="similarity") == first


def test_too_many_to_compare_are_refused(shoot, monkeypatch):
    monkeypatch.setattr(grouping, "MOST_COMPARED", 19)
    with pytest.raises(UserError, match=r"compares up to 19 photographs, and there are 20: give "):
        splits_of(shoot, group_by="similarity")


def test_without_groups_nothing_is_said_of_them(shoot):
    train, _ = splits_of(shoot)
    assert "groups" not in train.describe() and "group_by" not in train.describe()


def test_folders_are_held_out_whole(make_photos, tmp_path):
    for place in range(8):
        make_photos(3, f"photos/{place}", first=3 * place)
    train, val = splits_of(tmp_path / "photos", group_by="folder")
    folders = [[photo.name.split("/")[0] for photo in split.photos] for split in (train, val)]
    assert sorted([*folders[0], *folders[1]]) == sorted("01234567" * 3)
    assert not set(folders[0]) & set(folders[1])
    assert len(train.groups) + len(val.groups) == 8


def test_what_is_like_a_photograph_of_the_validation_folder_is_not_trained_on(shoot):
    (shoot / "first").rename(shoot / "train")
    (shoot / "second").rename(shoot / "val")
    for seed in range(5):
        (shoot / "val" / f"{seed}.png").unlink()
    source = ImageFolder(CROPS, str(shoot), group_by="similarity")
    train, val = source.split("train"), source.split("val")
    assert [photo.name for photo in train.photos] == [f"train/{seed}.png" for seed in range(5)]
    assert [photo.name for photo in val.photos] == [f"val/{seed}.png" for seed in range(5, 10)]
    assert ("train/5.png", "of one group with val/5.png, which is held out") in [
        (left.name, left.reason) for left in train.left_out
    ]


def test_gray_photographs_are_left_out_of_training_and_said(tmp_path):
    for folder in ("train", "val"):
        (tmp_path / folder).mkdir()
        for seed in range(2):
            Image.fromarray(textured(seed + 2 * (folder == "val"))).save(tmp_path / folder / f"{seed}.jpg")
        gray = Image.fromarray(textured(8 + (folder == "val"))).convert("L")
        gray.convert("RGB").save(tmp_path / folder / "gray.jpg", quality=60)
    sepia = np.asarray(Image.fromarray(textured(20)).convert("L"))[..., None] * np.array([1.0, 0.9, 0.75])
    Image.fromarray(sepia.astype(np.uint8)).save(tmp_path / "train" / "sepia.jpg")
    kept = ImageFolder(CROPS, str(tmp_path))
    assert len(kept.split("train")) == 4 and len(kept.split("val")) == 3
    source = ImageFolder(CROPS, str(tmp_path), gray="leave_out")
    assert [photo.name for photo in source.split("train").photos] == ["train/0.jpg", "train/1.jpg", "train/sepia.jpg"]
    assert {"name": "train/gray.jpg", "reason": "gray: it teaches no colour"} in source.split("train").describe()[
        "left_out"
    ]
    assert source.split("train").notes == ("1 gray photograph is left out of training: dataset.gray=keep uses it",)
    assert source.split("val").photos == kept.split("val").photos


def test_a_folder_of_gray_photographs_says_the_setting_that_uses_it(tmp_path):
    Image.fromarray(textured(0)).convert("L").save(tmp_path / "gray.png")
    with pytest.raises(UserError, match=r"1 gray photograph is left out of training: dataset.gray=keep uses it$"):
        ImageFolder(CROPS, str(tmp_path), gray="leave_out").split("train")
