"""Writes a photograph with what its original's file said of it: EXIF, XMP and IPTC, resolution, sRGB."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from oldrestore.data.codecs.decode import FORMATS
from oldrestore.data.codecs.quiet_pillow import quiet_pillow

JPEG_ENDINGS = frozenset({".jpg", ".jpeg"})
JPEG_QUALITY = 95
SRGB = 1  # EXIF 2.3, tag ColorSpace
LONGEST = 65_000  # a JPEG segment holds 65,533 bytes
IPTC_RESOURCE = 0x0404  # Adobe Photoshop File Formats, image resource "IPTC-NAA record"
SRGB_NAME = "sRGB IEC61966-2.1"
# What is kept of the first directory, where TIFF has tags of how its own pixels are stored, too.
KEPT = frozenset(
    {
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.Copyright,
        ExifTags.Base.ExifOffset,
        ExifTags.Base.GPSInfo,
    }
)


@dataclass(frozen=True)
class Label:
    """What a file says of its making: that a trained network altered the photograph."""

    network: str  # "sagan_colorize"; several are separated by commas
    date: str  # ISO 8601: "2026-12-01T09:30:00+00:00"


def encode_photo(
    rgb: np.ndarray, ending: str, original: bytes | None = None, label: Label | None = None, page: int = 0
) -> bytes:
    """Encode a photograph as JPEG (quality 95, colour at full resolution) or PNG.

    The original's EXIF is kept, but for its orientation, which `rgb` no longer needs, and its preview, which shows
    another picture; so is XMP, corrected in the same way, and from JPEG to JPEG an IPTC record (PNG has no agreed place
    for it). Its colour profile is not: `rgb` is sRGB, and is tagged as sRGB where the original had a profile.

    `rgb` is uint8 (H, W, 3), upright. The new file's `ending` decides: .jpg and .jpeg give JPEG, all others PNG.
    `original` is the contents of the original's file, of which `rgb` was the `page`. A `label` is added to what the
    file says.
    """
    height, width = rgb.shape[:2]
    jpeg = ending.lower() in JPEG_ENDINGS
    options: dict = {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": 0} if jpeg else {"format": "PNG"}
    with quiet_pillow():
        facts = _facts(original)
    if facts.exif is not None:
        _correct(facts.exif, height, width)
        if len(facts.exif.tobytes()) <= LONGEST:
            options["exif"] = facts.exif
    if facts.dpi is not None:
        options["dpi"] = facts.dpi
    xmp = corrected_xmp(facts.xmp, height, width)
    if jpeg:
        options |= {"xmp": xmp} if xmp else {}
        options |= {"icc_profile": srgb_profile()} if facts.has_profile else {}
        options |= {"extra": facts.iptc} if facts.iptc else {}
    elif xmp or facts.has_profile:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        if facts.has_profile:
            options["pnginfo"].add(b"sRGB", b"\0")
        if xmp:
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8"))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, **options)
    return buffer.getvalue()


def output_ending(path: Path) -> str:
    """Ending for the output of a photograph: .jpg for JPEG files, .png for all others."""
    return ".jpg" if path.suffix.lower() in JPEG_ENDINGS else ".png"


def srgb_profile() -> bytes:
    """Return an sRGB profile whose bytes do not depend on when it was made."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # ICC.1:2010, 7.2: date and time of creation
    profile[84:100] = bytes(16)  # and the profile's digest, which would be of the former bytes
    return bytes(profile)


@dataclass(frozen=True)
class _Facts:
    exif: Image.Exif | None = None
    has_profile: bool = False
    dpi: tuple[float, float] | None = None
    xmp: Any = None
    iptc: bytes = b""


def _facts(original: bytes | None) -> _Facts:
    """What a file says of its picture; whatever is broken counts as not there."""
    if original is None:
        return _Facts()
    try:
        with Image.open(io.BytesIO(original), formats=FORMATS) as image:
            info = dict(image.info)
            try:
                exif = image.getexif()
                exif.tobytes()
            except Exception:  # noqa: BLE001 (broken EXIF raises nearly anything, and must not cost the photograph)
                exif = Image.Exif()
    except Exception:  # noqa: BLE001 (as the decoder has it)
        return _Facts()
    dpi = info.get("dpi")
    try:
        usable = isinstance(dpi, tuple) and len(dpi) == 2 and all(0 < float(value) < 1e5 for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):  # fractions of TIFF and EXIF may be n/0
        usable = False
    return _Facts(
        exif if len(exif) else None,
        bool(info.get("icc_profile")),
        (float(dpi[0]), float(dpi[1])) if usable else None,
        info.get("xmp"),
        _iptc_segment(info.get("photoshop")),
    )


def _correct(exif: Image.Exif, height: int, width: int) -> None:
    for tag in [tag for tag in exif if tag not in KEPT]:
        del exif[tag]
    exif.get_ifd(ExifTags.IFD.IFD1).clear()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in (
        (ExifTags.Base.ExifImageWidth, width),
        (ExifTags.Base.ExifImageHeight, height),
        (ExifTags.Base.ColorSpace, SRGB),
    ):
        if tag in details:
            details[tag] = value


def corrected_xmp(xmp: Any, height: int, width: int) -> bytes | None:
    """Return an XMP packet that is true of an upright sRGB picture of this size.

    Orientation, sizes and colour profile are corrected; previews, which show another picture, and references to parts
    that stand elsewhere in the original's file are taken out. What is no plain XML gives None.

    References
    ----------
    XMP Specification, Part 2 (Adobe, 2016): namespaces ``tiff``, ``exif``, ``xmp``, ``photoshop``.
    """
    if not isinstance(xmp, bytes | str):
        return None
    try:
        text = xmp if isinstance(xmp, str) else xmp.decode("utf-8")
        # An XML document may declare entities, which unfold without end: metadata never need them.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            return None
        for name, value in {
            "tiff:Orientation": 1,
            "tiff:ImageWidth": width,
            "tiff:ImageLength": height,
            "exif:PixelXDimension": width,
            "exif:PixelYDimension": height,
            "exif:ColorSpace": 1,
            "photoshop:ICCProfile": SRGB_NAME,
        }.items():
            text = re.sub(rf"""({name}\s*=\s*)("[^"]*"|'[^']*')""", rf'\g<1>"{value}"', text)
            text = re.sub(rf"(<{name}\s*>)[^<]*(</{name}\s*>)", rf"\g<1>{value}\g<2>", text)
        text = re.sub(r"<xmp:Thumbnails\b.*?</xmp:Thumbnails\s*>", "", text, flags=re.DOTALL)
        text = re.sub(r"""\s*xmpNote:HasExtendedXMP\s*=\s*("[^"]*"|'[^']*')""", "", text)
        ElementTree.fromstring(text.strip("\ufeff\0 \t\r\n"))
    except (ValueError, ElementTree.ParseError, RecursionError):
        return None
    corrected = text.encode("utf-8")
    return corrected if len(corrected) <= LONGEST else None


def _iptc_segment(photoshop: Any) -> bytes:
    """Return the JPEG segment of the IPTC record among Photoshop's resources, by number; empty if there is none."""
    record = photoshop.get(IPTC_RESOURCE) if isinstance(photoshop, dict) else None
    if not isinstance(record, bytes) or not 0 < len(record) <= LONGEST:
        return b""
    # The resource: number, an empty name, length, content, each padded to even lengths.
    resource = b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(record)) + record + b"\0" * (len(record) % 2)
    content = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
