"""What a photograph's file says of its picture, besides the pixels, in whichever of the formats that are read."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from oldrestore.data.codecs.decode import FORMATS, open_checked
from oldrestore.data.codecs.quiet_pillow import quiet_pillow
from oldrestore.data.codecs.tiff import TIFF_MAGIC, metadata_of

IPTC_RESOURCE = 0x0404  # Adobe Photoshop File Formats, image resource "IPTC-NAA record"
LONGEST = 65_000  # bytes of an IPTC record: a JPEG segment holds 65,533
# JPEG 2000 Part 1, annex I.7.2 (UUID boxes), with the identifiers that XMP Part 3, ExifTool and others use.
UUID_BOXES = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("4a706754696666457869662d3e4a5032"): "exif",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",
}


@dataclass(frozen=True)
class Metadata:
    """What a file says; whatever is broken counts as not there."""

    exif: Image.Exif | None = None
    has_profile: bool = False
    dpi: tuple[float, float] | None = None
    xmp: Any = None
    iptc: bytes = b""  # IPTC-IIM records


def read_metadata(original: bytes | None, page: int = 0) -> Metadata:
    """Read the metadata of a photograph's file, or of one of its pages."""
    if original is None:
        return Metadata()
    try:
        with quiet_pillow():
            info = metadata_of(original, page) if original.startswith(TIFF_MAGIC) else _info_of(original)
    except Exception:  # noqa: BLE001 (as the decoder has it)
        return Metadata()
    dpi, exif = info.get("dpi"), info.get("exif")
    try:
        usable = isinstance(dpi, tuple) and len(dpi) == 2 and all(0 < float(value) < 1e5 for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):  # fractions of TIFF and EXIF may be n/0
        usable = False
    iptc = info.get("iptc") or iptc_of_resources(info.get("photoshop"))
    return Metadata(
        exif if isinstance(exif, Image.Exif) and len(exif) else None,
        bool(info.get("icc_profile")),
        (float(dpi[0]), float(dpi[1])) if usable else None,
        info.get("xmp"),
        iptc if isinstance(iptc, bytes) and iptc.startswith(b"\x1c") and len(iptc) <= LONGEST else b"",
    )


def _info_of(original: bytes) -> dict[str, Any]:
    with open_checked(original, FORMATS, 2**40) as image:
        exif = image.getexif()
        try:
            exif.tobytes()
        except Exception:  # noqa: BLE001 (broken EXIF raises nearly anything, and must not cost the photograph)
            exif = Image.Exif()
        # Read after EXIF, for which a PNG without any is read to its end.
        info = dict(image.info) | {"exif": exif}
        profile = info.pop("Raw profile type iptc", None)
    if profile is not None:
        info["photoshop"] = _raw_profile(profile)
    if original[4:8] == b"jP  ":
        for kind, content in _uuid_boxes(original):
            info[kind] = content
        if isinstance(info["exif"], bytes):
            exif = Image.Exif()
            exif.load(b"Exif\0\0" + info["exif"].removeprefix(b"Exif\0\0"))
            exif.tobytes()
            info["exif"] = exif
    return info


def _raw_profile(text: str) -> bytes:
    """Return the content of a PNG text as ImageMagick writes profiles: a name, a length, hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.split()[2:]))
    except ValueError:
        return b""


def raw_profile(content: bytes) -> str:
    """Return the PNG text ``Raw profile type iptc`` of a content."""
    digits = content.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\niptc\n{len(content):8d}\n{lines}\n"


def _uuid_boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at + 24 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = UUID_BOXES.get(data[at + 8 : at + 24])
        if data[at + 4 : at + 8] == b"uuid" and kind:
            yield kind, data[at + 24 : at + length]
        if length < 8:  # the last box, or one of 4 GB
            return
        at += length


def iptc_of_resources(photoshop: Mapping[int, Any] | bytes | None) -> bytes:
    """Return the IPTC record among Photoshop's resources, by number as Pillow has them or as bytes; or none."""
    if isinstance(photoshop, Mapping):
        record = photoshop.get(IPTC_RESOURCE)
        return record if isinstance(record, bytes) else b""
    content, at = photoshop or b"", 0
    while content[at : at + 4] == b"8BIM" and at + 12 <= len(content):
        number = int.from_bytes(content[at + 4 : at + 6], "big")
        at += 6 + (content[at + 6] + 2) // 2 * 2  # a name, padded to an even length as the content is
        length = int.from_bytes(content[at : at + 4], "big")
        if number == IPTC_RESOURCE:
            return content[at + 4 : at + 4 + length]
        at += 4 + (length + 1) // 2 * 2
    return b""


def resource_of_iptc(record: bytes) -> bytes:
    """Return an IPTC record as one of Photoshop's resources: number, an empty name, length, content."""
    return b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(record)) + record + b"\0" * (len(record) % 2)
