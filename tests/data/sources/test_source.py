"""Splits, fingerprints, duplicates and the index, on folders made for the test."""

import hashlib
import shutil
import sqlite3

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources import index
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.data.sources.source import is_validation, split_fingerprint
from oldrestore.errors import UserError

CROPS = Crops(16, 8)


def folder_splits(root, **options):
    source = ImageFolder(CROPS, str(root), **options)
    return source.split("train"), source.split("val")


def test_the_rule_of_the_split():
    assert is_validation("0" * 64, 0.0001)
    assert not is_validation("0" * 64, 0)
    assert is_validation("7fffffffffffffff" + "0" * 48, 0.5)
    assert not is_validation("8000000000000000" + "0" * 48, 0.5)
    assert is_validation("f" * 16 + "0" * 48, 1)


def test_split_follows_the_content_hash(make_photos):
    root = make_photos(40)
    train, val = folder_splits(root, validation_fraction=0.3)
    expected = {
        path.name
        for path in root.iterdir()
        if int(hashlib.sha256(path.read_bytes()).hexdigest()[:16], 16) / 2**64 < 0.3
    }
    assert {photo.name for photo in val.photos} == expected
    assert len(train) + len(val) == 40
    assert [photo.name for photo in train.photos] == sorted(photo.name for photo in train.photos)
    assert train.shared_with(val) == ()


def test_renaming_moves_nothing_and_adding_moves_no_other(make_photos, tmp_path):
    root = make_photos(30)
    before = folder_splits(root)
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for number, path in enumerate(sorted(root.iterdir(), reverse=True)):
        shutil.copy(path, renamed / f"other{number:02}.PNG")
    after = folder_splits(renamed)
    for one, other in zip(before, after, strict=True):
        assert one.fingerprint == other.fingerprint
        assert set(one.hashes) == set(other.hashes)
        assert one.photos[0].name != other.photos[0].name
    more = folder_splits(make_photos(10, first=100))
    for one, other in zip(before, more, strict=True):
        assert set(one.hashes) < set(other.hashes)
        assert one.fingerprint != other.fingerprint


def test_fingerprint_is_the_hash_of_sorted_hashes_and_labels():
    first, second = "a" * 64, "b" * 64
    expected = hashlib.sha256(f"{first} -\n{second} 7\n".encode()).hexdigest()
    assert split_fingerprint([(second, 7), (first, None)]) == expected
    assert split_fingerprint([(second, 8), (first, None)]) != expected


def test_fingerprint_changes_with_one_pixel(make_photos):
    root = make_photos(10)
    before = ImageFolder(CROPS, str(root), validation_fraction=0).split("train").fingerprint
    pixels = np.asarray(Image.open(root / "004.png")).copy()
    pixels[3, 4, 1] ^= 1
    Image.fromarray(pixels).save(root / "004.png")
    assert ImageFolder(CROPS, str(root), validation_fraction=0).split("train").fingerprint != before


def test_left_out_and_describe(make_photos):
    root = make_photos(6)
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    (root / "empty.png").write_bytes(b"")
    (root / "folder.jpg").mkdir()
    (root / "notes.txt").write_text("no photograph")
    (root / ".hidden.png").write_bytes(b"")
    (root / "link.png").symlink_to(root / "gone")
    shutil.copy(root / "002.png", root / "a copy.png")
    shutil.copy(root / "002.png", root / "folder.jpg" / "another.png")
    split = ImageFolder(CROPS, str(root), validation_fraction=0).split("train")
    left_out = {left.name: left.reason for left in split.left_out}
    assert left_out.pop("broken.jpg").startswith(("corrupt", "not an image", "truncated"))
    assert left_out == {
        "a copy.png": "duplicate of 002.png",
        "empty.png": "empty file",
        "folder.jpg/another.png": "duplicate of 002.png",
        "link.png": "a link that leads nowhere",
    }
    described = split.describe()
    assert described["count"] == 6
    assert described["source"] == "image_folder"
    assert described["split"] == "train"
    assert described["bytes"] == sum(photo.path.stat().st_size for photo in split.photos)
    assert {"name": "empty.png", "reason": "empty file"} in described["left_out"]


def test_second_look_decodes_nothing(make_photos, monkeypatch, own_cache):
    root = make_photos(8)
    first = folder_splits(root, validation_fraction=0.5)
    assert own_cache.is_dir()
    monkeypatch.setattr(index, "examine", lambda path: pytest.fail("examined again"))
    second = folder_splits(root, validation_fraction=0.5)
    assert first == second


def test_a_changed_file_is_examined_again(make_photos):
    root = make_photos(5)
    folder_splits(root, validation_fraction=0.5)
    (root / "001.png").write_bytes(b"")
    split = ImageFolder(CROPS, str(root), validation_fraction=0).split("train")
    assert [left.name for left in split.left_out] == ["001.png"]


def test_a_corrupt_index_is_replaced(make_photos, own_cache):
    root = make_photos(8)
    first = folder_splits(root, validation_fraction=0.5)
    (path,) = own_cache.glob("*.sqlite")
    path.write_bytes(b"not a database" * 500)
    assert folder_splits(root, validation_fraction=0.5) == first
    assert folder_splits(root, validation_fraction=0.5) == first
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM photo").fetchone() == (8,)
    connection.close()


def test_a_cache_that_cannot_be_written_is_no_matter(make_photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "file" / "below"))
    train, val = folder_splits(make_photos(8), validation_fraction=0.5)
    assert len(train) + len(val) == 8


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda root: None, "does not exist"),
        (lambda root: root.write_text(""), "is not a folder"),
        (lambda root: root.mkdir(), "holds no photograph"),
        (
            lambda root: (root.mkdir(), (root / "x.jpg").write_bytes(b"")),
            "none of the 1 photographs .* empty file",
        ),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, prepare, words):
    prepare(tmp_path / "root")
    with pytest.raises(UserError, match=words):
        ImageFolder(CROPS, str(tmp_path / "root")).split("train")


def test_other_requests_that_cannot_be_met(make_photos):
    root = str(make_photos(3))
    with pytest.raises(UserError, match=r"dataset\.root=FOLDER"):
        ImageFolder(CROPS).split("train")
    with pytest.raises(UserError, match="no split 'dev'; choose train or val"):
        ImageFolder(CROPS, root).split("dev")
    with pytest.raises(UserError, match="split 'val' of image_folder is empty"):
        ImageFolder(CROPS, root, validation_fraction=0).split("val")
    with pytest.raises(UserError, match="split 'train' of image_folder is empty"):
        ImageFolder(CROPS, root, validation_fraction=1).split("train")
