"""EXIF, XMP and IPTC from every format that is read into every one that is written, and the label."""

import io
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin, PngImagePlugin

from oldrestore import __version__
from oldrestore.data.codecs.encode import Label, encode_photo
from tests.data.codecs.test_tiff import directory

RGB = np.full((40, 48, 3), 120, np.uint8)
RECORD = b"\x1c\x02\x78\0\x07Caption\x1c\x02\x50\0\x05Uncle"  # IPTC-IIM 2:120 and 2:80
RESOURCES = b"".join(
    b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + b"\0" * (len(content) % 2)
    for number, content in ((0x0425, b"abc"), (0x0404, RECORD))
)
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreatorTool="Scanner 1" xmp:Rating="5">
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/print</Iptc4xmpExt:DigitalSourceType>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Großmutter &amp; Kind</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
LABEL = Label('eccv16 & "sagan"', "2026-12-01T09:30:00+00:00")
ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
XMP_NS, IPTC_NS = "{http://ns.adobe.com/xap/1.0/}", "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"


def exif():
    made = Image.Exif()
    made[0x010F], made[0x0112] = "Epson", 1
    made.get_ifd(0x8769)[0x9003] = "1921:01:01 00:00:00"
    return made.tobytes()


def saved(format_, **options):
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, format_, **options)
    return buffer.getvalue()


def box(uuid, content):
    return struct.pack(">I", 24 + len(content)) + b"uuid" + bytes.fromhex(uuid) + content


def tiff(order, samples, iptc):
    """A TIFF with everything in its tags, as bytes of one directory; Pillow cannot read the deep ones."""
    parts = {700: XMP.encode(), **iptc, 0: samples.astype(samples.dtype.newbyteorder(order)).tobytes()}
    shape = {"bits": samples.dtype.itemsize * 8, "photometric": 2, "samples": 3, "shape": RGB.shape[:2]}
    # In shorts and longs, as some writers have them; what stands behind the strip is the EXIF directory.
    padded = {number: content + b"\0" * (-len(content) % 4) for number, content in parts.items()}
    tags = {
        f"t{number}": (4, struct.unpack(f"{order}{len(content) // 4}I", content))
        for number, content in padded.items()
        if number
    }
    tags |= {"t271": (4, struct.unpack(f"{order}2I", b"Epson\0\0\0"))}
    behind = len(directory(parts[0], order, **shape, **tags, t34665=(4, [0])))
    contents = bytearray(directory(parts[0], order, **shape, **tags, t34665=(4, [behind])))
    for tag, kind, count in ((271, 2, 6), (700, 7, len(parts[700]))):  # to their true types
        at = contents.index(struct.pack(f"{order}HH", tag, 4), 8)
        contents[at : at + 8] = struct.pack(f"{order}HHI", tag, kind, count)
    date = b"1921:01:01 00:00:00\0"
    return bytes(contents) + struct.pack(f"{order}HHHIII", 1, 0x9003, 2, len(date), behind + 18, 0) + date


def originals():
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP)
    text.add_text("Raw profile type iptc", f"\niptc\n{len(RESOURCES):8d}\n{RESOURCES.hex()}\n", zip=True)
    segment = b"Photoshop 3.0\0" + RESOURCES
    app13 = b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
    yield "JPEG", saved("JPEG", exif=exif(), xmp=XMP.encode(), extra=app13)
    yield "PNG", saved("PNG", exif=exif(), pnginfo=text)
    for order in "<>":
        yield f"TIFF {order}", tiff(order, RGB, {34377: RESOURCES})
        yield f"TIFF float {order}", tiff(order, (RGB / 255).astype(np.float32), {33723: RECORD})
    yield "WebP", saved("WEBP", exif=exif(), xmp=XMP.encode())
    yield "AVIF", saved("AVIF", exif=exif(), xmp=XMP.encode())
    boxes = box("be7acfcb97a942e89c71999491e3afac", XMP.encode())
    boxes += box("4a706754696666457869662d3e4a5032", exif().removeprefix(b"Exif\0\0"))
    yield "JPEG 2000", saved("JPEG2000") + boxes + box("33c7a4d2b81d4723a0baf1a3e097ad38", RECORD)


def described(contents):
    """EXIF's maker and date, properties of XMP by name, and IPTC's caption, as Pillow and ElementTree have them."""
    with Image.open(io.BytesIO(contents)) as image:
        image.load()
        found = image.getexif()
        xmp = image.info.get("xmp") or b""
        hexadecimal = image.info.get("Raw profile type iptc")
        caption = (IptcImagePlugin.getiptcinfo(image) or {}).get((2, 120)) if image.format == "JPEG" else None
    if hexadecimal:
        caption = bytes.fromhex("".join(hexadecimal.split()[2:]))[12:].partition(b"\x1c\x02\x78\0\x07")[2][:7]
    root = ElementTree.fromstring((xmp.decode() if isinstance(xmp, bytes) else xmp).strip("\ufeff \n"))
    properties = [(key, value) for node in root.iter() for key, value in node.attrib.items()]
    properties += [(node.tag, (node.text or "").strip()) for node in root.iter()]
    return found.get(0x010F), found.get_ifd(0x8769).get(0x9003), properties, caption


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize(
    ("format_", "original"), [*originals()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_everything_survives_and_is_labelled(format_, original, ending):
    made = encode_photo(RGB, ending, original, LABEL)
    maker, date, properties, caption = described(made)
    assert (maker, date) == ("Epson", "1921:01:01 00:00:00")
    assert caption == (None if format_ in ("WebP", "AVIF") else b"Caption")
    expected = {
        f"{IPTC_NS}DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
        f"{IPTC_NS}AISystemUsed": LABEL.network,
        f"{XMP_NS}CreatorTool": f"oldrestore {__version__}",
        f"{XMP_NS}ModifyDate": LABEL.date,
        f"{XMP_NS}Rating": "5",
    }
    for name, value in expected.items():  # once, and no longer what the scanner said
        assert [found for key, found in properties if key == name] == [value], name
    assert {value for key, value in properties if key == ABOUT} == {"uuid:1"}
    assert "Großmutter & Kind" in {value for _, value in properties}
    # Without a label, what the file said stays.
    _, _, properties, _ = described(encode_photo(RGB, ending, original))
    assert (f"{XMP_NS}CreatorTool", "Scanner 1") in properties
    # A result that is restored again is labelled once.
    assert described(encode_photo(RGB, ending, made, LABEL))[2].count((f"{XMP_NS}ModifyDate", LABEL.date)) == 1


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize(
    "xmp", [None, b"", b"<x/>", b"no XML", b"<x>" * 30_000, XMP.replace("title", "t" * 32_300).encode()]
)
def test_a_label_alone(xmp, ending):
    """Where there is no packet to add it to, or no room in it."""
    original = saved("WEBP", xmp=xmp) if xmp is not None else None
    _, _, properties, _ = described(encode_photo(RGB, ending, original, LABEL))
    assert (f"{IPTC_NS}AISystemUsed", LABEL.network) in properties


def test_a_label_of_any_characters():
    label = Label("run \x00\x1b\udcff <&>\"'", LABEL.date)
    _, _, properties, _ = described(encode_photo(RGB, ".jpg", None, label))
    assert (f"{IPTC_NS}AISystemUsed", "run ??? <&>\"'") in properties


@pytest.mark.parametrize("bigtiff", [False, True])
def test_each_page_has_its_own(bigtiff):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bigtiff) as file:
        for name in ("First", "Other"):
            file.write(RGB, photometric="rgb", extratags=[(271, 2, 6, name, True)], metadata=None)
    for page, name in enumerate(("First", "Other")):
        with Image.open(io.BytesIO(encode_photo(RGB, ".jpg", buffer.getvalue(), page=page))) as image:
            assert image.getexif()[0x010F] == name


def test_a_broken_second_directory_costs_nothing_of_the_first():
    contents = bytearray(tiff("<", RGB, {33723: RECORD}))
    entries = int.from_bytes(contents[8:10], "little")
    broken = struct.pack("<HHHIIHHIII", 2, 256, 4, 1, 8, 270, 2, 2**30, 2**31, 0)
    contents[10 + 12 * entries : 14 + 12 * entries] = struct.pack("<I", len(contents))
    with Image.open(io.BytesIO(encode_photo(RGB, ".jpg", bytes(contents) + broken))) as image:
        assert image.getexif()[0x010F] == "Epson"
