"""Pictures at the limits: the largest that are decoded stay within a stated memory, and larger ones are not begun."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from oldrestore.data.codecs import sample_depth
from tests.reliability.cases import png

SECTION = "Photograph files"
MIB = 4000  # above what the process had: two pictures of 100 megapixels at once, each some copies of 300 to 400 MB


def flat_png(side: int, depth: int, color_type: int, sample: bytes) -> bytes:
    """Return a picture of one colour without ever holding its pixels."""
    packer = zlib.compressobj(1)
    row = b"\0" + sample * (side if depth >= 8 else side * depth // 8)
    packed = b"".join([packer.compress(row) for _ in range(side)]) + packer.flush()
    return png(side, side, depth, color_type, packed)


def write_float_tiff(path: Path, side: int, colours: int) -> None:
    """A TIFF of floating-point numbers whose pixels are holes in the file: all 0."""
    at = 8 + 4 * side * side * colours
    tags = {256: side, 257: side, 259: 1, 262: 2 if colours == 3 else 1, 273: 8, 277: colours, 278: side, 279: at - 8}
    entries = [(tag, 4, 1, struct.pack("<I", value)) for tag, value in tags.items()]
    # Bits and format of a sample: three shorts do not fit into an entry and stand after the directory.
    several = at + 2 + 12 * (len(entries) + 2) + 4
    for number, (tag, value) in enumerate(((258, 32), (339, 3))):
        inside = struct.pack("<HH", value, 0) if colours == 1 else struct.pack("<I", several + 6 * number)
        entries.append((tag, 3, colours, inside))
    directory = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in sorted(entries)) + bytes(4)
    with path.open("wb") as file:
        file.write(b"II*\0" + struct.pack("<I", at))
        file.seek(at)
        file.write(struct.pack("<H", len(entries)) + directory)
        if colours == 3:
            file.write(struct.pack("<6H", 32, 32, 32, 3, 3, 3))


@pytest.mark.slow
def test_100_megapixels_of_every_depth(tmp_path, nursery, ledger):
    pictures = {
        "train/1-bit.png": (10_000, 1, 0, b"\xaa"),
        "train/8-bit.png": (10_000, 8, 2, b"\x10\x20\x30"),
        "train/alpha.png": (10_000, 8, 6, b"\x10\x20\x30\x80"),
        "train/16-bit.png": (10_000, 16, 0, b"\x12\x34"),
        "train/larger.png": (10_001, 8, 2, b"\x10\x20\x30"),
        "val/small.png": (8, 8, 2, b"\x10\x20\x30"),
    }
    for name, kind in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(flat_png(*kind))
    # As TIFF of 32-bit numbers without compression: 400 MB, and 1.2 GB in colour.
    write_float_tiff(tmp_path / "train" / "float.tif", 10_000, 1)
    write_float_tiff(tmp_path / "train" / "float-rgb.tif", 10_000, 3)
    verb = ["data", "describe", "--json", "dataset=image_folder", f"dataset.root={tmp_path}"]
    (found,) = nursery.run(verb, environment={"OLDRESTORE_CACHE": tmp_path}, seconds=400)
    train = found.json["train"]
    whole = ("1-bit.png", "16-bit.png", "8-bit.png", "alpha.png", "float.tif")
    assert sorted(train["photographs"]) == [f"train/{name}" for name in whole]
    assert {item["name"]: item["reason"] for item in train["left_out"]} == {
        "train/larger.png": "10001 x 10001 pixels, above the limit of 100000000",
        "train/float-rgb.tif": "1200000146 bytes, above the limit of 1073741824",
    }
    assert found.mib < MIB, found.mib
    what, sentence = "pictures of 100 megapixels: 1, 8, 16 and 32 bits, transparency; larger ones", f"at most {MIB} MiB"
    ledger.record(what, through="data describe", right=5, said=2, sentence=f"{sentence} for two at once")


def test_to_uint8_in_bands_is_as_in_one(monkeypatch):
    """Cutting a picture into bands changes no sample."""
    rng = np.random.default_rng(0)
    deep = [
        rng.integers(0, 65536, (37, 20), np.uint16),
        rng.normal(0, 3, (37, 20, 3)).astype(np.float32),
        rng.random((37, 20)),
        rng.integers(-5, 90_000, (37, 20), np.int32),
    ]
    deep[1][3, 4] = np.nan
    in_one = [sample_depth.to_uint8(samples) for samples in deep]
    monkeypatch.setattr(sample_depth, "SAMPLES_AT_ONCE", 50)
    for samples, whole in zip(deep, in_one, strict=True):
        np.testing.assert_array_equal(sample_depth.to_uint8(samples), whole)
