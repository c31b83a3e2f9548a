"""Pictures at the limits: the largest that are decoded stay within a stated memory, and larger ones are not begun."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.child import run_verbs
from tests.reliability.pictures import png_chunk

SECTION = "Photograph files"
MIB = 4000  # above what the process had: two pictures of 100 megapixels at once, each some copies of 300 to 400 MB


def flat_png(path: Path, side: int, depth: int, color_type: int, sample: bytes) -> None:
    """Write a picture of one colour without ever holding its pixels."""
    packer, packed = zlib.compressobj(1), []
    row = b"\0" + sample * (side * (1 if depth >= 8 else depth) // (1 if depth >= 8 else 8))
    for _ in range(side):
        packed.append(packer.compress(row))
    packed.append(packer.flush())
    header = struct.pack(">IIBBBBB", side, side, depth, color_type, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", b"".join(packed)), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))


@pytest.mark.slow
def test_100_megapixels_of_every_depth(tmp_path, ledger):
    folder = tmp_path / "set" / "train"
    folder.mkdir(parents=True)
    flat_png(folder / "1-bit.png", 10_000, 1, 0, b"\xaa")
    flat_png(folder / "8-bit.png", 10_000, 8, 2, b"\x10\x20\x30")
    flat_png(folder / "alpha.png", 10_000, 8, 6, b"\x10\x20\x30\x80")
    flat_png(folder / "16-bit.png", 10_000, 16, 0, b"\x12\x34")
    flat_png(folder / "larger.png", 10_001, 8, 2, b"\x10\x20\x30")
    # As TIFF of 32-bit numbers without compression: 400 MB, and 1.2 GB in colour.
    for name, colours in (("float.tif", 1), ("float-rgb.tif", 3)):
        write_float_tiff(folder / name, 10_000, colours)
    (tmp_path / "set" / "val").mkdir()
    flat_png(tmp_path / "set" / "val" / "small.png", 8, 8, 2, b"\x10\x20\x30")
    verb = ["data", "describe", "--json", "dataset=image_folder", f"dataset.root={folder.parent}"]
    (found,) = run_verbs(verb, seconds=400, cache=tmp_path)
    train = found.json["train"]
    assert sorted(train["photographs"]) == [
        f"train/{name}" for name in ("1-bit.png", "16-bit.png", "8-bit.png", "alpha.png", "float.tif")
    ]
    assert {item["name"]: item["reason"] for item in train["left_out"]} == {
        "train/larger.png": "10001 x 10001 pixels, above the limit of 100000000",
        "train/float-rgb.tif": "1200000146 bytes, above the limit of 1073741824",
    }
    assert found.mib < MIB, found.mib
    ledger.record(
        SECTION,
        "pictures of 100 megapixels: 1, 8, 16 and 32 bits, transparency; larger ones",
        through="data describe",
        tried=7,
        right=5,
        said=2,
        sentence=f"at most {MIB} MiB for two at once",
    )


def write_float_tiff(path: Path, side: int, colours: int) -> None:
    """A TIFF of floating-point numbers whose pixels are holes in the file: all 0."""
    size = 4 * side * side * colours
    tags = {256: side, 257: side, 259: 1, 262: 2 if colours == 3 else 1, 273: 8, 277: colours, 278: side, 279: size}
    entries = [(tag, 4, 1, struct.pack("<I", value)) for tag, value in tags.items()]
    at = 8 + size
    directory_length = 2 + 12 * (len(entries) + 2) + 4
    several = at + directory_length
    for tag, value in ((258, 32), (339, 3)):
        shorts = struct.pack("<HH", value, 0) if colours == 1 else struct.pack("<I", several)
        entries.append((tag, 3, colours, shorts))
        several += 6 if colours == 3 else 0
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in sorted(entries)) + bytes(4)
    extra = struct.pack("<HHH", 32, 32, 32) + struct.pack("<HHH", 3, 3, 3) if colours == 3 else b""
    with path.open("wb") as file:
        file.write(b"II*\0" + struct.pack("<I", at))
        file.truncate(at)
        file.seek(at)
        file.write(directory + extra)


def test_to_uint8_in_bands_is_as_in_one(monkeypatch):
    """Cutting a picture into bands changes no sample."""
    from oldrestore.data.codecs import sample_depth

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
