"""XMP and IPTC stay with a photograph through restore and colorize, and are true of what came out."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, IptcImagePlugin, PngImagePlugin

from oldrestore.cli import main
from oldrestore.data.codecs.decode import decode_bytes
from oldrestore.data.codecs.encode import corrected_xmp, encode_photo
from tests.reliability.cases import NO_STAGE, blocks, encoded

SECTION = "What stays with a photograph"
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


def app13(resources: bytes) -> bytes:
    """Return the segment in which JPEG files keep Photoshop's resources."""
    content = b"Photoshop 3.0\0" + resources
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def caption_of(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return IptcImagePlugin.getiptcinfo(image)[2, 120]


def xmp_of(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        xmp = image.info.get("xmp", "")
    return xmp.decode() if isinstance(xmp, bytes) else xmp


def test_descriptions_stay_and_are_true(tmp_path, ledger):
    """Of a photograph turned on its side, in each format that holds a description."""
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, xmp = blocks(1), XMP.encode()
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP)
    record = b"\x1c\x02\x78" + struct.pack(">H", len(CAPTION)) + CAPTION  # IPTC-IIM 2:120, caption
    caption = app13(b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record + b"\0" * (len(record) % 2))
    originals = {
        "old.jpg": encoded(rgb, "JPEG", exif=exif, xmp=xmp, extra=caption),
        "old.png": encoded(rgb, "PNG", exif=exif, pnginfo=text),
        "old.webp": encoded(rgb, "WEBP", exif=exif, xmp=xmp),
        "old.tif": encoded(rgb, "TIFF", tiffinfo={700: xmp, 274: 6}),
    }
    album = tmp_path / "album"
    album.mkdir()
    for name, data in originals.items():
        (album / name).write_bytes(data)
    assert main(["restore", str(album), "-o", str(tmp_path / "out"), *NO_STAGE]) == 0
    outputs = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*-restored.*")}
    assert len(outputs) == 4
    for name, data in outputs.items():
        assert decode_bytes(data).shape == (48, 32, 3), name
        xmp = xmp_of(data)
        assert "Großmutter, 1921 &amp; later" in xmp
        assert 'tiff:Orientation="1"' in xmp and 'tiff:ImageWidth="32"' in xmp
        assert "<exif:PixelXDimension>32<" in xmp
        assert "another picture" not in xmp
    assert caption_of(originals["old.jpg"]) == caption_of(outputs["old-restored.jpg"]) == CAPTION
    sentence = "kept, its orientation and sizes corrected, previews taken out"
    ledger.record("XMP of JPEG, PNG, WebP and TIFF; IPTC of JPEG", through="restore", right=5, sentence=sentence)


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
    rgb = blocks(2)
    for name, xmp in BROKEN.items():
        made = encode_photo(rgb, ending, encoded(rgb, "WEBP", xmp=xmp))
        assert np.abs(decode_bytes(made).astype(int) - rgb).max() <= (3 if ending == ".jpg" else 0), name
        assert not xmp_of(made), name
    resources = (b"8BIM", b"8BIM\x04\x04\0\0\xff\xff\xff\xff", b"\0" * 50)
    for broken in resources:
        encode_photo(rgb, ending, encoded(rgb, "JPEG", extra=app13(broken)))
    what, count = f"broken XMP and IPTC, written as {ending}", len(BROKEN) + len(resources)
    ledger.record(what, through="encoding", right=count, sentence="left out; the photograph comes out")


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80), st.none(), st.integers()))
def test_any_bytes_as_xmp(xmp):
    found = corrected_xmp(xmp, 3, 4)
    assert found is None or corrected_xmp(found, 3, 4) == found
