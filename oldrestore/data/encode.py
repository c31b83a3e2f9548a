"""Writes a photograph with what its original's file said of it: EXIF without the orientation, resolution, sRGB."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from oldrestore.data.decode import FORMATS
from oldrestore.data.quiet_pillow import quiet_pillow

JPEG_ENDINGS = frozenset({".jpg", ".jpeg"})
JPEG_QUALITY = 95
SRGB = 1  # EXIF 2.3, tag ColorSpace
LONGEST_EXIF = 65_000  # a JPEG segment holds 65,533 bytes
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


def encode_photo(rgb: np.ndarray, ending: str, original: bytes | None = None) -> bytes:
    """Encode a photograph as JPEG (quality 95, colour at full resolution) or PNG.

    The original's EXIF is kept, but for its orientation, which `rgb` no longer needs, and its preview, which shows
    another picture. Its colour profile is not: `rgb` is sRGB, and is tagged as sRGB where the original had a profile.

    Parameters
    ----------
    rgb : ndarray
        uint8 (H, W, 3), upright, sRGB.
    ending : str
        Of the file to be: .jpg and .jpeg give JPEG, anything else PNG.
    original : bytes, optional
        The contents of the original's file.
    """
    height, width = rgb.shape[:2]
    jpeg = ending.lower() in JPEG_ENDINGS
    options: dict = {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": 0} if jpeg else {"format": "PNG"}
    with quiet_pillow():
        exif, profile, dpi = _facts(original)
    if exif is not None:
        _correct(exif, height, width)
        if len(exif.tobytes()) <= LONGEST_EXIF:
            options["exif"] = exif
    if dpi is not None:
        options["dpi"] = dpi
    if profile and jpeg:
        options["icc_profile"] = srgb_profile()
    if profile and not jpeg:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add(b"sRGB", b"\0")
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


def _facts(original: bytes | None) -> tuple[Image.Exif | None, bool, tuple[float, float] | None]:
    """EXIF, whether there is a colour profile, and dots an inch; whatever is broken counts as not there."""
    if original is None:
        return None, False, None
    try:
        with Image.open(io.BytesIO(original), formats=FORMATS) as image:
            profile, dpi = bool(image.info.get("icc_profile")), image.info.get("dpi")
            exif = image.getexif()
            exif.tobytes()
    except Exception:  # noqa: BLE001 (broken EXIF raises nearly anything, and must not cost the photograph)
        return None, False, None
    usable = isinstance(dpi, tuple) and all(0 < float(value) < 1e5 for value in dpi)
    return (exif if len(exif) else None), profile, (tuple(map(float, dpi)) if usable else None)


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
