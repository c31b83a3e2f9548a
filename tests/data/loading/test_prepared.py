"""Prepared photographs: the pixels that decoding gives, whole or refused, made once whoever asks at the same time."""

import errno
import hashlib
import multiprocessing
import os
import pickle
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.cropping.grid_crops import GridCrops
from oldrestore.data.loading.loader import photos_at_training_size
from oldrestore.data.loading.prepared import (
    PreparedPhotos,
    in_order,
    open_prepared,
    prepare_photographs,
    prepared_key,
    prepared_path,
)
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.errors import UserError
from tests.data.loading.streams import assert_same, batches

CROPS = Crops(16, 8)
COUNT = 7


def split_of(folder, crops=CROPS, prepared="auto"):
    return ImageFolder(crops, str(folder), validation_fraction=0, prepared=prepared).split("train")


@pytest.fixture
def folder(make_photos):
    return make_photos(COUNT)


def test_photographs_are_those_of_pillow_resized(folder):
    split = split_of(folder)
    made = prepare_photographs(split, CROPS)
    assert made.fresh
    assert len(made.photographs) == COUNT
    for photo, sha256 in zip(split.photos, split.hashes, strict=True):
        with Image.open(photo.path) as picture:  # 28 x 20
            expected = np.asarray(picture.resize((22, 16), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(made.photographs[sha256], expected)
    assert not made.photographs[split.hashes[0]].flags.writeable
    pixels = made.photographs.path.read_bytes()[: COUNT * 22 * 16 * 3]
    first = min(split.hashes)
    assert pixels[: 22 * 16 * 3] == made.photographs[first].tobytes()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("crops", [CROPS, Crops(12, 12, fit="squash", decoding="fast"), GridCrops(16, 8, variants=3)])
def test_training_is_the_same_and_needs_no_file_any_more(folder, crops, workers):
    split = split_of(folder, crops)
    expected = batches(split_of(folder, crops, "off"), crops)
    whole = list(photos_at_training_size(split, crops))
    prepare_photographs(split, crops)
    for photo in split.photos:
        photo.path.unlink()
    assert_same(batches(split, crops, workers=workers), expected)
    assert all((one == other).all() for one, other in zip(photos_at_training_size(split, crops), whole, strict=True))
    assert psutil.Process().children() == []


def test_contents_size_and_decoders_are_the_key(folder, make_photos, monkeypatch):
    split = split_of(folder)
    path = prepared_path(split, CROPS)
    assert prepared_key(split, CROPS)["fingerprint"] == split.fingerprint
    # The crop is cut later, and a grid of crops from the same photographs.
    assert prepared_path(split, Crops(16, 12, mirror=False)) == path == prepared_path(split, GridCrops(16, 8))
    others = [Crops(17, 8), Crops(16, 8, fit="squash"), Crops(16, 8, decoding="scaled"), Crops(16, 8, decoding="fast")]
    found = {prepared_path(split, crops) for crops in others} | {path}
    make_photos(1, first=50)
    assert len(found | {prepared_path(split_of(folder), CROPS)}) == 6
    assert prepared_key(split, CROPS)["decoders"]["pillow"] == Image.__version__
    monkeypatch.setattr("PIL.features.version", lambda name: "another")
    assert prepared_path(split, CROPS) != path


def test_what_the_choices_do(folder):
    assert open_prepared(split_of(folder), CROPS) is None
    with pytest.raises(UserError, match=r"7 photographs of image_folder train are not prepared .*run 'oldrestore data"):
        batches(split_of(folder, prepared="required"), CROPS)
    prepare_photographs(split_of(folder), CROPS)
    assert open_prepared(split_of(folder, prepared="off"), CROPS) is None
    assert len(open_prepared(split_of(folder), CROPS)) == COUNT
    assert len(open_prepared(split_of(folder, prepared="required"), CROPS)) == COUNT


DAMAGES = {
    "cut": lambda data: data[:-1000],
    "lengthened": lambda data: b"\0" + data,
    "emptied": lambda data: b"",
    "a flipped bit of the index": lambda data: data[:-70] + bytes([data[-70] ^ 1]) + data[-69:],
    "a flipped bit of a pixel": lambda data: data[:500] + bytes([data[500] ^ 128]) + data[501:],
    "another magic": lambda data: data[:-1] + b"?",
    "another length of the index": lambda data: data[:-56] + struct.pack("<Q", 2**60) + data[-48:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_torn_file_is_one_sentence_and_made_again(folder, damage):
    split = split_of(folder)
    path = prepare_photographs(split, CROPS).photographs.path
    whole = path.read_bytes()
    assert damage(whole) != whole
    path.write_bytes(damage(whole))
    for workers in (0, 1):
        with pytest.raises(UserError, match=r"prepared photographs in .* are torn .*run 'oldrestore data") as caught:
            batches(split, CROPS, workers=workers)
        assert "\n" not in str(caught.value)
    assert len(batches(split_of(folder, prepared="off"), CROPS)) == 6
    assert prepare_photographs(split, CROPS).fresh
    assert path.read_bytes() == whole
    assert psutil.Process().children() == []


def test_a_file_of_other_photographs_is_refused(folder, make_photos):
    other = prepare_photographs(split_of(make_photos(3, "others", first=20)), CROPS).photographs.path
    split = split_of(folder)
    prepared_path(split, CROPS).write_bytes(other.read_bytes())
    with pytest.raises(UserError, match="does not hold the photographs that its name says"):
        batches(split, CROPS)
    assert prepare_photographs(split, CROPS).fresh


def test_an_index_that_is_no_index_is_torn(folder, tmp_path):
    for text in (b"[]", b"{}", b'{"key": {}, "photographs": [["a", "b", 1, 1]]}', b"\xff"):
        path = tmp_path / "file"
        footer = struct.pack("<Q32s16s", len(text), hashlib.sha256(text).digest(), b"oldrestore-photo")
        path.write_bytes(text + footer)
        with pytest.raises(UserError, match="its index is not one of photographs"):
            PreparedPhotos(path, {})


def _prepare_when_told(folder, start, results):
    start.wait()
    made = prepare_photographs(split_of(folder), CROPS)
    results.put((made.fresh, made.photographs.path.read_bytes()))


def test_two_processes_at_once_make_one_file(folder, own_cache):
    split_of(folder)  # known to the index before, so that both start together
    processes = multiprocessing.get_context("fork")
    start, results = processes.Event(), processes.Queue()
    both = [processes.Process(target=_prepare_when_told, args=(folder, start, results)) for _ in range(2)]
    for process in both:
        process.start()
    start.set()
    found = [results.get(timeout=60) for _ in both]
    for process in both:
        process.join(timeout=60)
    assert sorted(fresh for fresh, _ in found) == [False, True]
    assert found[0][1] == found[1][1]
    assert sorted(path.suffix for path in (own_cache / "prepared").iterdir()) == [".lock", ".photographs"]


def test_what_ends_early_leaves_nothing_and_hinders_nobody(folder, own_cache):
    split = split_of(folder)

    def stop_after_three(items):
        for number, item in enumerate(items):
            if number == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        prepare_photographs(split, CROPS, watch=stop_after_three)
    assert [path.suffix for path in (own_cache / "prepared").iterdir()] == [".lock"]
    # What a process that was killed could not remove is removed by the next.
    left_over = prepared_path(split, CROPS).with_suffix(".0123.tmp")
    left_over.write_bytes(b"half")
    assert prepare_photographs(split, CROPS).fresh
    assert not left_over.exists()


def test_a_full_disk_is_one_sentence(folder, own_cache, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot be kept in .* \(the disk is full\): make room"):
        prepare_photographs(split_of(folder), CROPS)
    assert [path.suffix for path in (own_cache / "prepared").iterdir()] == [".lock"]


def test_a_photograph_that_changed_or_went_is_named(folder):
    split = split_of(folder)
    Image.new("RGB", (28, 20)).save(split.photos[2].path)
    with pytest.raises(UserError, match=r"002\.png .* has since changed"):
        prepare_photographs(split, CROPS)
    split.photos[2].path.unlink()
    with pytest.raises(UserError, match=r"002\.png .* can no longer be read \(no such file\)"):
        prepare_photographs(split, CROPS)
    with pytest.raises(UserError, match=r"002\.png .* can no longer be read \(no such file\)"):
        list(photos_at_training_size(split, CROPS))


def test_another_process_maps_it_itself(folder):
    photographs = prepare_photographs(split_of(folder), CROPS).photographs
    sent = pickle.dumps(photographs)
    assert len(sent) < 1000
    copy = pickle.loads(sent)  # noqa: S301 (our own bytes)
    sha256 = split_of(folder).hashes[0]
    np.testing.assert_array_equal(copy[sha256], photographs[sha256])


def test_few_photographs_are_in_memory_at_a_time():
    decoded, written = [], []
    with ThreadPoolExecutor(2) as pool:
        for number in in_order(pool, lambda number: decoded.append(number) or number, range(100), ahead=5):
            written.append(number)
            assert len(decoded) - len(written) <= 6
    assert written == list(range(100))
