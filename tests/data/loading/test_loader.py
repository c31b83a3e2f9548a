"""The training stream: the same whatever makes it, every photograph once an epoch, resumable."""

import warnings
from collections import Counter

import numpy as np
import psutil
import pytest

from oldrestore.data.codecs.decode import decode_photo
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.loader import evaluation_photos, in_content_order, training_loader
from oldrestore.data.loading.sequence import TrainingSequence
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.errors import UserError

CROPS = Crops(16, 8, evaluation_size=12)


@pytest.fixture
def split(make_photos):
    return ImageFolder(CROPS, str(make_photos(7)), validation_fraction=0).split("train")


def batches(split, **options):
    arguments = {"batch_size": 4, "seed": 3, "iterations": 6} | options
    return [(rgb.numpy(), names) for rgb, names in training_loader(split, CROPS, **arguments)]


def assert_same(one, other):
    assert len(one) == len(other)
    for (rgb, names), (other_rgb, other_names) in zip(one, other, strict=True):
        assert names == other_names
        np.testing.assert_array_equal(rgb, other_rgb)


def test_batches_are_what_the_seed_says(split):
    photos = in_content_order(split)
    assert [photo.name for photo in photos] != [photo.name for photo in split.photos]
    for iteration, (rgb, names) in enumerate(batches(split)):
        assert rgb.shape == (4, 8, 8, 3)
        assert rgb.dtype == np.uint8
        for slot in range(4):
            epoch, offset = divmod(iteration * 4 + slot, 7)
            index = np.random.default_rng([7101, 3, epoch]).permutation(7)[offset]
            assert names[slot] == photos[index].name
            expected = CROPS.train(
                CROPS.prepare(decode_photo(photos[index].path)), np.random.default_rng([7102, 3, epoch, index])
            )
            np.testing.assert_array_equal(rgb[slot], expected)


def test_every_photograph_once_an_epoch_and_no_short_batch(split):
    names = [name for _, batch in batches(split, iterations=7) for name in batch]
    assert len(names) == 28
    for epoch in range(4):
        assert Counter(names[7 * epoch : 7 * epoch + 7]) == Counter(photo.name for photo in split.photos)
    assert names[:7] != names[7:14]


def test_a_batch_may_be_larger_than_the_split(split):
    ((rgb, names),) = batches(split, batch_size=20, iterations=1)
    assert rgb.shape[0] == len(names) == 20
    assert set(Counter(names).values()) == {2, 3}


def test_workers_change_nothing_and_leave_nothing(split):
    alone = batches(split, iterations=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(batches(split, iterations=8, workers=2), alone)
    assert psutil.Process().children() == []


def test_stopping_early_leaves_no_process(split):
    stream = iter(training_loader(split, CROPS, 4, 3, 1000, workers=2))
    next(stream)
    assert len(psutil.Process().children()) >= 2
    stream.close()
    _, alive = psutil.wait_procs(psutil.Process().children(), timeout=10)
    assert alive == []


def test_resuming_gives_the_remaining_batches(split):
    whole = batches(split)
    for start in (1, 4, 6):
        assert_same(batches(split, start=start), whole[start:])
    assert len(training_loader(split, CROPS, 4, 3, 6, start=4)) == 2


def test_seeds_differ_and_the_memory_for_photographs_does_not_matter(split):
    assert_same(batches(split, cache_mib=0), batches(split))
    assert not all((one[0] == two[0]).all() for one, two in zip(batches(split), batches(split, seed=4), strict=True))


def test_renaming_changes_names_only(split, tmp_path):
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for number, photo in enumerate(reversed(split.photos)):
        (renamed / f"z{number}.png").write_bytes(photo.path.read_bytes())
    other = ImageFolder(CROPS, str(renamed), validation_fraction=0).split("train")
    for (rgb, _), (other_rgb, _) in zip(batches(split), batches(other), strict=True):
        np.testing.assert_array_equal(rgb, other_rgb)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_photograph_that_breaks_is_named(split, workers):
    split.photos[3].path.write_bytes(b"")
    with pytest.raises(UserError, match=r"003\.png .*can no longer be read \(empty file\)") as caught:
        batches(split, workers=workers)
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
        with pytest.raises(UserError, match=f"{name} = -1"):
            training_loader(split, CROPS, **arguments)


def test_sequence_repeats():
    one, other = TrainingSequence(5, seed=1), TrainingSequence(5, seed=1)
    assert [one.at(position) for position in range(40)] == [other.at(position) for position in reversed(range(40))][
        ::-1
    ]
