"""Qt resource files, the choice of photographs and the prepared folder, on files made for the test."""

import contextlib
import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages import debian_package, gcompris
from oldrestore.data.packages.gcompris import choose_photographs, pinned_hash, prepare_gcompris
from oldrestore.data.packages.qt_resources import BrokenResource, read_resources
from oldrestore.data.sources import photos_plus
from oldrestore.data.sources.photos_plus import PhotosPlus
from oldrestore.errors import UserError


def resource_file(path, files, version=3):
    """Write {name: (contents as stored, flags)} in one folder ``images`` as Qt's rcc does."""
    names, contents, entries = b"", b"", []

    def add_name(text):
        nonlocal names
        offset = len(names)
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
        return offset

    time = bytes(8) if version >= 2 else b""
    folder = add_name("images")
    for name, (stored, flags) in files.items():
        entries.append(struct.pack(">IHHHI", add_name(name), flags, 0, 1, len(contents)) + time)
        contents += struct.pack(">I", len(stored)) + stored
    tree = struct.pack(">IHII", 0, 2, 1, 1) + time + struct.pack(">IHII", folder, 2, len(files), 2) + time
    tree += b"".join(entries)
    header = 24 if version >= 3 else 20
    head = b"qres" + struct.pack(">4I", version, header, header + len(tree), header + len(tree) + len(contents))
    path.write_bytes(head + bytes(header - 20) + tree + contents + names)
    return path


@pytest.mark.parametrize("version", [1, 2, 3])
def test_resources_plain_zlib_and_zstd(tmp_path, version):
    pyarrow = pytest.importorskip("pyarrow")
    text = b"colour " * 100
    zipped = struct.pack(">I", len(text)) + zlib.compress(text)
    zstd = pyarrow.compress(text, codec="zstd", asbytes=True)
    files = {"plain.txt": (text, 0), "zlib.txt": (zipped, 1), "zstd-é.txt": (zstd, 4)}
    found = dict(read_resources(resource_file(tmp_path / "x.rcc", files, version)))
    assert found == {"images/plain.txt": text, "images/zlib.txt": text, "images/zstd-é.txt": text}


def test_broken_resources_raise_one_error(tmp_path):
    text = b"colour " * 20
    zipped = struct.pack(">I", len(text)) + zlib.compress(text)
    path = resource_file(tmp_path / "x.rcc", {"a": (text, 0), "b": (zipped, 1)})
    whole = path.read_bytes()
    for broken in (
        b"",
        b"qres",
        b"nope" + whole[4:],
        whole[:100],
        b"qres" + struct.pack(">I", 9) + whole[8:],
    ):
        path.write_bytes(broken)
        with pytest.raises(BrokenResource):
            list(read_resources(path))
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(BrokenResource):
            list(read_resources(path))


def webp(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def test_choice_of_photographs():
    rng = np.random.default_rng(0)
    colourful = rng.integers(0, 256, (8, 8, 3), np.uint8)
    large = np.asarray(Image.fromarray(colourful).resize((200, 200), Image.Resampling.BICUBIC))
    small = np.asarray(Image.fromarray(colourful).resize((140, 140), Image.Resampling.BICUBIC))
    other = rng.integers(0, 256, (150, 150, 3), np.uint8)
    see_through = np.dstack([other, np.full((150, 150), 100, np.uint8)])
    images = {
        "large": large,
        "small copy": small,
        "other": other,
        "tiny": other[:100],
        "gray": other[..., :1].repeat(3, 2),
        "flat": np.full((150, 150, 3), (200, 30, 30), np.uint8),
        "see-through": see_through,
    }
    kept, left_out = choose_photographs([(name, webp(pixels)) for name, pixels in images.items()] + [("bad", b"x")])
    assert [image.name for image in kept] == ["large", "other"]
    np.testing.assert_array_equal(kept[0].rgb, large)
    assert {left["name"]: left["reason"] for left in left_out} == {
        "bad": "not an image that can be read",
        "small copy": "smaller copy of large",
        "tiny": "shorter side below 120 pixels",
        "gray": "mean chroma below 8",
        "flat": "fewer than 700 distinct colours",
        "see-through": "not opaque",
    }


def test_prepare_needs_apt(tmp_path, monkeypatch):
    monkeypatch.setattr(debian_package.shutil, "which", lambda program: None)
    with pytest.raises(UserError, match="no apt-get"):
        prepare_gcompris(tmp_path / "new")
    mine = tmp_path / "gcompris-qt-data-3.1-2" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep me")
    with pytest.raises(UserError, match="holds something other"):
        prepare_gcompris(tmp_path)
    assert mine.read_text() == "keep me"


@pytest.fixture
def small_package(tmp_path, monkeypatch):
    """Stand in for apt-get and dpkg-deb with a package of one photograph."""
    photo = webp(np.random.default_rng(0).integers(0, 256, (150, 160, 3), np.uint8))

    def unpack(package, folder, advice):
        assert package == "gcompris-qt-data"
        rcc = folder / "usr/share/gcompris-qt/rcc"
        rcc.mkdir(parents=True)
        for activity in gcompris.ACTIVITIES:
            files = {"README": (b"CC0", 0)}
            if activity == "erase":
                files["bee.webp"] = (photo, 0)
            resource_file(rcc / f"{activity}.rcc", files)
        return folder

    monkeypatch.setattr(gcompris, "download_and_unpack", unpack)
    return photo


def test_prepare_and_use(small_package, tmp_path, monkeypatch, own_cache):
    with pytest.raises(UserError, match=r"not those of version 3\.1-2"):
        prepare_gcompris()
    assert not (own_cache / "gcompris-qt-data-3.1-2").exists()

    pin = pinned_hash([hashlib.sha256(small_package).hexdigest()])
    monkeypatch.setattr(gcompris, "PINNED_SHA256", pin)
    monkeypatch.setattr(photos_plus, "PINNED_SHA256", pin)
    source = PhotosPlus(Crops(96, 64), validation_fraction=0)
    with pytest.raises(UserError, match="run: oldrestore data prepare photos_plus"):
        source.split("train")
    for _ in range(2):  # preparing again replaces
        summary = prepare_gcompris()
        assert (summary.found, summary.kept) == (1, 1)
        assert str(summary).startswith("kept 1 of 1 images of gcompris-qt-data 3.1-2")
    folder = own_cache / "gcompris-qt-data-3.1-2"
    assert (folder / "erase-bee.webp").read_bytes() == small_package
    assert (folder / "licences" / "erase-README.txt").read_bytes() == b"CC0"
    assert [path.name for path in own_cache.iterdir() if path.name.startswith(".")] == []
    assert len(source.split("train")) == 153
    (folder / "another.webp").write_bytes(small_package[:-1])
    Image.new("RGB", (9, 9)).save(folder / "more.png")
    with pytest.raises(UserError, match=r"not those of gcompris-qt-data 3\.1-2"):
        PhotosPlus(Crops(96, 64)).split("train")
