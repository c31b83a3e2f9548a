"""What archives write into photograph files beside EXIF: XMP and IPTC, kept and made true of another picture."""

from __future__ import annotations

import re
import struct
from typing import Any
from xml.etree import ElementTree

LONGEST = 65_000  # a JPEG segment holds 65,533 bytes
IPTC_RESOURCE = 0x0404  # Adobe Photoshop File Formats, image resource "IPTC-NAA record"
SRGB_NAME = "sRGB IEC61966-2.1"


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


def iptc_segment(photoshop: Any) -> bytes:
    """Return the JPEG segment of the IPTC record among Photoshop's resources of a file; empty if there is none.

    Parameters
    ----------
    photoshop : dict of int to bytes
        Resources by their number, as Pillow gives them.
    """
    record = photoshop.get(IPTC_RESOURCE) if isinstance(photoshop, dict) else None
    if not isinstance(record, bytes) or not 0 < len(record) <= LONGEST:
        return b""
    # The resource: number, an empty name, length, content, each padded to even lengths.
    resource = b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(record)) + record + b"\0" * (len(record) % 2)
    content = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
