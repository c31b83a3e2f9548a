"""XMP and IPTC stay with a photograph through restore and colorize, and are true of what came out."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, IptcImagePlugin, PngImagePlugin

from oldrestore.cli import main
from oldrestore.data.codecs.decode import decode_bytes
from oldrestore.data.codecs.descriptions import corrected_xmp
from oldrestore.data.codecs.encode import encode_photo
from tests.reliability.cases import blocks, encoded

SECTION = "What stays with a photograph"
NO_STAGE = [word for stage in ("detect", "fill", "restore", "colorize") for word in ("--skip", stage)]
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" tiff:Orientation="6"
 tiff:ImageWidth='48'>
<exif:PixelXDimension>48</exif:PixelXDimension>
<xmp:Thumbnails><rdf:Alt><rdf:li>another picture</rdf:li></rdf:Alt></xmp:Thumbnails>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Großmutter, 1921 &amp; later</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
CAPTION = b"Grandmother at the sea"


def iptc_of(data: bytes) -> dict | None:
    with Image.open(io.BytesIO(data)) as image:
        return IptcImagePlugin.getiptcinfo(image)


def app13() -> bytes:
    record = b"\x1c\x02\x78" + struct.pack(">H", len(CAPTION)) + CAPTION  # IPTC-IIM 2:120, caption
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record + b"\0" * (len(record) % 2)
    content = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def originals() -> dict[str, bytes]:
    """A photograph with a description, turned on its side, in each format that holds one."""
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, xmp = blocks(1), XMP.encode()
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP)
    tiff = Image.fromarray(rgb)
    return {
        "old.jpg": encoded(rgb, "JPEG", exif=exif, xmp=xmp, extra=app13()),
        "old.png": encoded(rgb, "PNG", exif=exif, pnginfo=text),
        "old.webp": encoded(rgb, "WEBP", exif=exif, xmp=xmp),
        "old.tif": encoded(tiff, "TIFF", tiffinfo={700: xmp, 274: 6}),
    }


def test_descriptions_stay_and_are_true(tmp_path, ledger):
    album = tmp_path / "album"
    album.mkdir()
    for name, data in originals().items():
        (album / name).write_bytes(data)
    assert main(["restore", str(album), "-o", str(tmp_path / "out"), *NO_STAGE]) == 0
    outputs = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*-restored.*")}
    assert len(outputs) == 4
    for name, data in outputs.items():
        assert decode_bytes(data).shape == (48, 32, 3), name
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            xmp = image.info["xmp"]
            xmp = (xmp if isinstance(xmp, bytes) else xmp.encode()).decode()
        assert "Großmutter, 1921 &amp; later" in xmp
        assert 'tiff:Orientation="1"' in xmp and 'tiff:ImageWidth="32"' in xmp
        assert "<exif:PixelXDimension>32<" in xmp
        assert "another picture" not in xmp
    (jpeg,) = (data for name, data in outputs.items() if name.endswith(".jpg"))
    assert iptc_of(originals()["old.jpg"])[2, 120] == CAPTION
    assert iptc_of(jpeg)[2, 120] == CAPTION
    ledger.record(
        SECTION,
        "XMP of JPEG, PNG, WebP and TIFF; IPTC of JPEG",
        through="restore",
        tried=5,
        right=5,
        sentence="kept, its orientation and sizes corrected, previews taken out",
    )


BROKEN = {
    "random bytes": np.random.default_rng(1).bytes(300),
    "a billion laughs": b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    "cut off": XMP.encode()[:300],
    "not UTF-8": XMP.encode("utf-16"),
    "too long": f"<x>{'y' * 70_000}</x>".encode(),
    "nested": b"<x>" * 30_000 + b"</x>" * 30_000,
    "empty": b"",
}


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_broken_descriptions_cost_no_photograph(ending, ledger):
    for name, xmp in BROKEN.items():
        rgb = blocks(2)
        original = encoded(rgb, "WEBP", xmp=xmp)
        made = encode_photo(rgb, ending, original)
        assert np.abs(decode_bytes(made).astype(int) - rgb).max() <= (3 if ending == ".jpg" else 0), name
        with Image.open(io.BytesIO(made)) as image:
            image.load()
            assert not image.info.get("xmp"), name
    for photoshop in (b"8BIM", b"8BIM\x04\x04\0\0\xff\xff\xff\xff", b"\0" * 50):
        content = b"Photoshop 3.0\0" + photoshop
        extra = b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
        encode_photo(blocks(2), ending, encoded(blocks(2), "JPEG", extra=extra))
    ledger.record(
        SECTION,
        f"broken XMP and IPTC, written as {ending}",
        through="encoding",
        tried=len(BROKEN) + 3,
        right=len(BROKEN) + 3,
        sentence="left out; the photograph comes out",
    )


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80), st.none(), st.integers()))
def test_any_bytes_as_xmp(xmp):
    found = corrected_xmp(xmp, 3, 4)
    assert found is None or corrected_xmp(found, 3, 4) == found
