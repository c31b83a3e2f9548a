"""Writes a photograph with what its original's file said of it: EXIF, XMP and IPTC, resolution, sRGB."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from oldrestore.data.codecs.metadata import raw_profile, read_metadata, resource_of_iptc
from oldrestore.data.codecs.tiff import KEPT
from oldrestore.data.codecs.xmp import LONGEST, Label, corrected_xmp, labelled_xmp

__all__ = ["JPEG_ENDINGS", "Label", "corrected_xmp", "encode_photo", "output_ending", "srgb_profile"]

JPEG_ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
JPEG_QUALITY = 95
SRGB = 1  # EXIF 2.3, tag ColorSpace


def encode_photo(
    rgb: np.ndarray, ending: str, original: bytes | None = None, label: Label | None = None, page: int = 0
) -> bytes:
    """Encode a photograph as JPEG (quality 95, colour at full resolution) or PNG.

    The original's EXIF is kept, but for its orientation, which `rgb` no longer needs, and its preview, which shows
    another picture; so is XMP, corrected in the same way, and its IPTC record (in a PNG as ``Raw profile type iptc``,
    which ImageMagick, ExifTool and Exiv2 read). Its colour profile is not: `rgb` is sRGB, and is tagged as sRGB where
    the original had a profile.

    `rgb` is uint8 (H, W, 3), upright. The new file's `ending` decides: `JPEG_ENDINGS` give JPEG, all others PNG.
    `original` is the contents of the original's file, of which `rgb` was the `page`. A `label` is added to what the
    file says.
    """
    height, width = rgb.shape[:2]
    jpeg = ending.lower() in JPEG_ENDINGS
    options: dict = {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": 0} if jpeg else {"format": "PNG"}
    facts = read_metadata(original, page)
    if facts.exif is not None:
        _correct(facts.exif, height, width)
        if len(facts.exif.tobytes()) <= LONGEST:
            options["exif"] = facts.exif
    if facts.dpi is not None:
        options["dpi"] = facts.dpi
    xmp = corrected_xmp(facts.xmp, height, width)
    if label is not None:
        xmp = labelled_xmp(xmp, label)
    if jpeg:
        options |= {"xmp": xmp} if xmp else {}
        options |= {"icc_profile": srgb_profile()} if facts.has_profile else {}
        options |= {"extra": _iptc_segment(facts.iptc)} if facts.iptc else {}
    elif xmp or facts.has_profile or facts.iptc:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        if facts.has_profile:
            options["pnginfo"].add(b"sRGB", b"\0")
        if xmp:
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8"))
        if facts.iptc:
            text = raw_profile(resource_of_iptc(facts.iptc))
            options["pnginfo"].add_text("Raw profile type iptc", text, zip=True)
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


def _correct(exif: Image.Exif, height: int, width: int) -> None:
    for tag in [tag for tag in exif if tag not in KEPT]:
        del exif[tag]
    with suppress(Exception):  # a broken preview raises nearly anything, and is then not written either
        exif.get_ifd(ExifTags.IFD.IFD1).clear()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in (
        (ExifTags.Base.ExifImageWidth, width),
        (ExifTags.Base.ExifImageHeight, height),
        (ExifTags.Base.ColorSpace, SRGB),
    ):
        if tag in details:
            details[tag] = value


def _iptc_segment(record: bytes) -> bytes:
    """Return the JPEG segment of an IPTC record."""
    content = b"Photoshop 3.0\0" + resource_of_iptc(record)
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
