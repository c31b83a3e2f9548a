"""The training stream: the same whatever makes it, every photograph once an epoch, resumable."""

import hashlib
import warnings

import cv2
import numpy as np
import psutil
import pytest

from oldrestore.data.codecs.decode import decode_photo
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.loader import evaluation_photos, training_loader
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.errors import UserError
from tests.data.loading.streams import assert_same, batches

CROPS = Crops(16, 8, evaluation_size=12)


@pytest.fixture
def split(make_photos):
    return ImageFolder(CROPS, str(make_photos(7)), validation_fraction=0).split("train")


@pytest.mark.parametrize("batch_size", [4, 20])
def test_batches_are_what_the_seed_says(split, batch_size):
    """Every photograph is seen once an epoch, and no batch is short."""
    # In the order of their contents: names and places play no part.
    photos = sorted(split.photos, key=lambda photo: hashlib.sha256(photo.path.read_bytes()).hexdigest())
    assert [photo.name for photo in photos] != [photo.name for photo in split.photos]
    for iteration, (rgb, names) in enumerate(batches(split, CROPS, batch_size=batch_size)):
        assert rgb.shape == (batch_size, 8, 8, 3)
        assert rgb.dtype == np.uint8
        for slot in range(batch_size):
            epoch, offset = divmod(iteration * batch_size + slot, 7)
            index = np.random.default_rng([7101, 3, epoch]).permutation(7)[offset]
            assert names[slot] == photos[index].name
            expected = CROPS.train(
                CROPS.prepare(decode_photo(photos[index].path)), np.random.default_rng([7102, 3, epoch, index])
            )
            np.testing.assert_array_equal(rgb[slot], expected)


def test_workers_change_nothing_and_leave_nothing(split):
    alone = batches(split, CROPS, iterations=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(batches(split, CROPS, iterations=8, workers=2), alone)
    assert psutil.Process().children() == []


def test_threads_of_opencv_from_before_do_not_stop_workers(make_photos):
    crops = Crops(16, 8, decoding="fast")
    split = ImageFolder(crops, str(make_photos(7)), validation_fraction=0).split("train")
    cv2.setNumThreads(2)
    cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (1500, 1500), interpolation=cv2.INTER_AREA)  # by both threads
    assert_same(batches(split, crops, workers=2), batches(split, crops))
    assert cv2.getNumThreads() == 1


def test_stopping_early_leaves_no_process(split):
    stream = iter(training_loader(split, CROPS, 4, 3, 1000, workers=2))
    next(stream)
    assert len(psutil.Process().children()) >= 2
    stream.close()
    _, alive = psutil.wait_procs(psutil.Process().children(), timeout=10)
    assert alive == []


def test_resuming_gives_the_remaining_batches(split):
    whole = batches(split, CROPS)
    for start in (1, 4, 6):
        assert_same(batches(split, CROPS, start=start), whole[start:])
    assert len(training_loader(split, CROPS, 4, 3, 6, start=4)) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_repeated_batches_come_again_with_their_crops_from_wherever_it_starts(split, workers):
    first, second, *_ = batches(split, CROPS)
    assert_same(batches(split, CROPS, repeated=2, workers=workers), [first, second] * 3)
    assert_same(batches(split, CROPS, repeated=2, start=3, workers=workers), [second, first, second])


def test_seeds_differ_and_the_memory_for_photographs_does_not_matter(split):
    assert_same(batches(split, CROPS, cache_mib=0), batches(split, CROPS))
    seeds = zip(batches(split, CROPS), batches(split, CROPS, seed=4), strict=True)
    assert not all((one[0] == two[0]).all() for one, two in seeds)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_photograph_that_breaks_is_named(split, workers):
    split.photos[3].path.write_bytes(b"")
    with pytest.raises(UserError, match=r"003\.png .*can no longer be read \(empty file\)") as caught:
        batches(split, CROPS, workers=workers)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"003\.png"):
        list(evaluation_photos(split, CROPS))
    assert psutil.Process().children() == []


def test_evaluation_photos_in_name_order(split):
    yielded = list(evaluation_photos(split, CROPS))
    assert [photo.name for photo, _ in yielded] == [f"{number:03}.png" for number in range(7)]
    for photo, rgb in yielded:
        np.testing.assert_array_equal(rgb, CROPS.evaluation(decode_photo(photo.path)))


def test_numbers_out_of_range(split):
    for name in ("batch_size", "seed", "workers", "start"):
        arguments = {"batch_size": 1, "seed": 0, "iterations": 1} | {name: -1}
        with pytest.raises(UserError, match=f"training_loader.{name} must be greater than or equal to .*, not -1"):
            training_loader(split, CROPS, **arguments)
