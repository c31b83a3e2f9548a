import hashlib

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages import gcompris, stamps
from oldrestore.data.packages.gcompris import pinned_hash
from oldrestore.data.packages.stamps import COPIES, SIDE, Stamp, choose_stamps, paste, paste_all
from oldrestore.data.sources import photos_plus
from oldrestore.data.sources.photos_wide import PhotosWide, prepare_photos_wide
from oldrestore.errors import UserError


def rgba(height, width, *, seed=0, alpha=255, gray=False):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    if gray:
        noise[:] = noise[..., :1]
    return np.dstack([noise, np.full((height, width), alpha, np.uint8)])


def write_stamps(folder):
    margin = np.pad(rgba(100, 60), ((20, 5), (7, 0), (0, 0)))
    kinds = {
        "food/fruit/apple": margin,
        "food/fruit/cartoon/apple": rgba(100, 60, seed=1),
        "symbols/a": rgba(100, 100, seed=2),
        "food/small": rgba(80, 80, seed=3),
        "food/gray": rgba(100, 100, seed=4, gray=True),
        "food/flat": np.full((100, 100, 4), (200, 30, 30, 255), np.uint8),
        "food/glass": rgba(100, 100, seed=5, alpha=100),
        "town/house": rgba(90, 200, seed=6),
    }
    for name, pixels in kinds.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def test_photographs_of_things_are_kept_and_cut_to_what_is_seen(tmp_path):
    write_stamps(tmp_path)
    chosen = choose_stamps(tmp_path)
    assert [stamp.name for stamp in chosen] == ["food-fruit-apple", "town-house"]
    assert np.array_equal(chosen[0].rgba_hw4, rgba(100, 60))
    assert chosen[0].sha256 == hashlib.sha256((tmp_path / "food/fruit/apple.png").read_bytes()).hexdigest()


def test_a_pasted_stamp_covers_its_place_and_nothing_else():
    red = np.full((100, 50, 4), (255, 0, 0, 255), np.uint8)
    blue = np.full((300, 400, 3), (0, 0, 255), np.uint8)
    sides = []
    for seed in range(20):
        picture = paste(Stamp("red", b"", red), blue, np.random.default_rng(seed))
        assert picture.shape == (SIDE, SIDE, 3)
        is_red = (picture == (255, 0, 0)).all(axis=2)
        assert (is_red | (picture == (0, 0, 255)).all(axis=2)).all()
        rows, columns = np.nonzero(is_red)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert is_red.sum() == height * width
        assert abs(height - 2 * width) <= 2
        sides.append(height)
    assert 0.5 * SIDE - 1 <= min(sides) < max(sides) <= 150  # at most 1.5 times as large as it was


def test_composites_depend_on_content_alone():
    grounds = [np.full((64, 64, 3), value, np.uint8) for value in (0, 80, 160, 240)]
    one, two = (Stamp(name, name.encode(), rgba(90, 90, seed=seed)) for seed, name in enumerate(("one", "two")))
    together = dict(paste_all([one, two], grounds))
    assert list(together) == [f"{name}-{copy}" for name in ("one", "two") for copy in range(COPIES)]
    alone = dict(paste_all([Stamp("two", two.data, two.rgba_hw4)], grounds))
    assert all(np.array_equal(alone[name], together[name]) for name in alone)
    assert not np.array_equal(together["one-0"], together["one-1"])


@pytest.fixture
def small_packages(tmp_path, monkeypatch):
    """Stand in for both Debian packages: one photograph and two stamps."""
    folder = gcompris.prepared_folder()
    folder.mkdir(parents=True)
    Image.fromarray(rgba(150, 150, seed=9)[..., :3]).save(folder / "photo.png")
    pin = pinned_hash([hashlib.sha256((folder / "photo.png").read_bytes()).hexdigest()])
    monkeypatch.setattr(photos_plus, "PINNED_SHA256", pin)

    def unpack(package, work, advice):
        assert package == "tuxpaint-stamps-default"
        write_stamps(work / stamps.STAMPS)
        notes = work / "usr/share/doc" / package
        notes.mkdir(parents=True)
        (notes / "copyright").write_text("GPL-2")
        return work

    monkeypatch.setattr(stamps, "download_and_unpack", unpack)


def test_composites_are_for_training_alone(small_packages, own_cache, monkeypatch):
    source = PhotosWide(Crops(96, 64))
    with pytest.raises(UserError, match="run: oldrestore data prepare photos_wide"):
        source.split("train")
    with pytest.raises(UserError, match=r"2 of 218 kept.*2022\.06\.04-1"):
        prepare_photos_wide()
    write_stamps(own_cache / "twin")
    monkeypatch.setattr(stamps, "PINNED_SHA256", pinned_hash([s.sha256 for s in choose_stamps(own_cache / "twin")]))
    summary = prepare_photos_wide()
    assert str(summary).startswith("made 6 pictures of 2 of the 8 stamps of tuxpaint-stamps-default 2022.06.04-1 on ")
    folder = stamps.stamps_folder()
    assert (folder / "licences" / "copyright.txt").read_text() == "GPL-2"

    plus, wide = photos_plus.PhotosPlus(Crops(96, 64)), PhotosWide(Crops(96, 64))
    assert summary.grounds == len(plus.split("train"))
    assert wide.split("val").fingerprint == plus.split("val").fingerprint
    assert not set(wide.split("train").hashes) & set(wide.split("val").hashes)
    added = [photo.name for photo in wide.split("train").photos if photo.name.startswith("stamps/")]
    assert len(added) == 6
    assert len(wide.split("train")) == len(plus.split("train")) + 6
