"""Reads any photograph file as 8-bit sRGB, upright, or says shortly why it cannot be read."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from oldrestore.data.codecs.color_management import code_points_of, composite_on_white, profile_of, to_srgb, to_srgb8
from oldrestore.data.codecs.damaged_file import has_end_marker, mended_png, with_end_marker
from oldrestore.data.codecs.orientation import orientation_of, turn_upright
from oldrestore.data.codecs.quiet_pillow import quiet_pillow
from oldrestore.data.codecs.tiff import TIFF_MAGIC, count_photographs, decode_tiff
from oldrestore.data.codecs.unreadable import UnreadablePhoto, check_size, short_reason
from oldrestore.errors import in_words

__all__ = [
    "UnreadablePhoto",
    "count_pages",
    "decode_bytes",
    "decode_contents",
    "decode_photo",
    "is_photograph",
    "open_checked",
    "orientation_of",
    "read_photo_file",
    "to_srgb",
    "turn_upright",
]

MAX_PIXELS = 100_000_000
"""Largest photograph that is decoded: 300 MB as RGB. More is taken for a decompression bomb."""

MAX_BYTES = 2**30
"""Largest file that is read: `MAX_PIXELS` in colour at 16 bits a sample have 600 MB."""

MAX_SCAN_PIXELS = 5_000_000_000
"""Scans times pixels of a JPEG that are decoded, a matter of seconds: progressive files have some ten scans, and a
small file with thousands of them would be decoded for hours."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
"""Pillow's readers that are tried (JPEG includes MPO; HEIF is pillow-heif's). Those that start other programs, as EPS
does, are left out on purpose."""

HEAD_BYTES = 64
"""Bytes of a file that tell its format; see `is_photograph`."""

HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
PNG_MAGIC, JPEG_MAGIC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II[*+]\0|MM\0[*+]|RIFF....WEBP|P[1-6fF]\s+[\d#]"
    rb"|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    re.DOTALL,
)


def read_photo_file(path: str | Path) -> bytes:
    """Return the bytes of a photograph file; `UnreadablePhoto` when it is not a readable, non-empty file."""
    path = Path(path)
    try:
        _check_kind(path.stat())
        # What stands there may have changed since: not even a named pipe makes this wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            _check_kind(before)
            # A file that grows is not followed.
            data = file.read(before.st_size)
            after = os.fstat(descriptor)
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadablePhoto):
            raise
        raise UnreadablePhoto(_why_not_there(path, error)) from error
    if len(data) != before.st_size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UnreadablePhoto("changed while it was read")
    return data


def _check_kind(status: os.stat_result) -> None:
    # A named pipe or a device would block for ever, and a folder may well be called x.jpg.
    if stat.S_ISDIR(status.st_mode):
        raise UnreadablePhoto("a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadablePhoto("not a file but a pipe, socket or device")
    if status.st_size == 0:
        raise UnreadablePhoto("empty file")
    if status.st_size > MAX_BYTES:
        raise UnreadablePhoto(f"{status.st_size} bytes, above the limit of {MAX_BYTES}")


def _why_not_there(path: Path, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "a name that no file can have"  # with a zero byte
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "a link that leads nowhere" if path.is_symlink() else "no such file"
    return in_words(error)


def decode_photo(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a photograph file to upright 8-bit sRGB.

    EXIF orientation is applied. Gray, 1-bit, palette, CMYK and Lab pictures become RGB; 16-bit and floating-point
    samples are scaled to 8 bits, never clipped; transparency is composited on white. A colour profile, or what else
    says what the numbers mean (see `color_management.profile_of`), is converted to sRGB (relative colorimetric, black
    point compensated); a broken profile is ignored. Of an animation the first frame is taken, of a file of several
    pages the first. The file's ending does not matter.

    Returns uint8 (H, W, 3), contiguous; raises `UnreadablePhoto` for what is no photograph, broken or too large.
    """
    return decode_bytes(read_photo_file(path), max_pixels)


@dataclass(frozen=True)
class DecodedPhoto:
    """A photograph, and a remark on its file: what is damaged although the photograph came out, or what was read."""

    rgb: np.ndarray  # uint8 (H, W, 3), upright sRGB, contiguous
    remark: str = ""  # "a damaged file: its end marker is missing"; empty if there is nothing to say


def decode_bytes(data: bytes, max_pixels: int = MAX_PIXELS, page: int = 0) -> np.ndarray:
    """Decode the contents of a photograph file; see `decode_photo`. `page` is below `count_pages`."""
    return decode_contents(data, max_pixels, page).rgb


def decode_contents(data: bytes, max_pixels: int = MAX_PIXELS, page: int = 0) -> DecodedPhoto:
    """Decode the contents of a photograph file as `decode_bytes` does, with a remark on it."""
    if data.startswith(TIFF_MAGIC):
        with quiet_pillow():
            return DecodedPhoto(*decode_tiff(data, max_pixels, page))
    if page:
        raise UnreadablePhoto(f"a file without a page {page + 1}")
    remark = ""
    if data.startswith(PNG_MAGIC):
        data, remark = mended_png(data)
    elif data.startswith(JPEG_MAGIC) and not has_end_marker(data):
        rgb = with_end_marker(data, lambda completed: _decode(completed, max_pixels))
        if rgb is not None:
            return DecodedPhoto(rgb, "a damaged file: its end marker is missing")
    try:
        return DecodedPhoto(_decode(data, max_pixels), remark)
    except UnreadablePhoto:
        raise
    except UnidentifiedImageError as error:
        raise UnreadablePhoto("not an image that can be read") from error
    except Exception as error:
        raise UnreadablePhoto(short_reason(error)) from error


def _decode(data: bytes, max_pixels: int) -> np.ndarray:
    with quiet_pillow(), open_checked(data, FORMATS, max_pixels) as image:
        image.load()
        # Read after loading: PNG may carry EXIF behind its pixels.
        orientation = orientation_of(image)
        deep = image.format == "PNG" and data[24] == 16 and image.mode in ("RGB", "RGBA", "LA")
        if deep and (profile := profile_of(image)):
            size, key = image.size, image.info.get("transparency")
            image.close()
            rgb = _deep_png(data, profile, size, key)
        else:
            rgb = to_srgb(image)
        return np.ascontiguousarray(turn_upright(rgb, orientation))


def _deep_png(data: bytes, profile: bytes, size: tuple[int, int], key: tuple[int, ...] | None) -> np.ndarray:
    """Decode colour of 16 bits, of which Pillow keeps 8, through a profile."""
    samples = imagecodecs.png_decode(data).reshape(size[1], size[0], -1)
    colours = 3 if samples.shape[2] >= 3 else 1
    rgb = to_srgb8(samples[..., :colours] if colours == 3 else samples[..., 0], profile)
    if samples.shape[2] > colours:
        return composite_on_white(rgb, (samples[..., -1] >> 8).astype(np.uint8))
    return rgb if key is None else composite_on_white(rgb, (samples != key).any(axis=2) * np.uint8(255))


def count_pages(data: bytes) -> int:
    """Count the photographs in a file's contents: the pages of a scanned TIFF, 1 for everything else.

    Previews, masks and reduced copies are no pages. A file that cannot be read counts as 1: decoding says why.
    """
    return count_photographs(data) if data.startswith(TIFF_MAGIC) else 1


def is_photograph(head: bytes) -> bool:
    """Say whether a file that begins with these bytes (`HEAD_BYTES` are enough) is of a format that is read here."""
    return MAGIC.match(head) is not None or _is_of_brand(head, AVIF_BRANDS | HEIF_BRANDS)


def _is_of_brand(head: bytes, brands: frozenset[bytes]) -> bool:
    # ISO/IEC 14496-12, box ``ftyp``: the major brand, a version, compatible brands.
    length = min(int.from_bytes(head[:4], "big"), HEAD_BYTES)
    return head[4:8] == b"ftyp" and not brands.isdisjoint(head[at : at + 4] for at in (8, *range(16, length, 4)))


def open_checked(data: bytes, formats: Sequence[str], max_pixels: int) -> Image.Image:
    """Open a photograph with Pillow, its pixels not yet decoded, and refuse one that is too large."""
    if "HEIF" in formats and data[4:8] == b"ftyp":
        import pillow_heif  # 20 MB of libraries: imported for a file that may need them

        pillow_heif.register_heif_opener(thumbnails=False)
    else:
        formats = [format_ for format_ in formats if format_ != "HEIF"]
    image = Image.open(io.BytesIO(data), formats=formats)
    check_size(*image.size, max_pixels)
    image.info |= code_points_of(data, bool(image.info.get("icc_profile")))
    if image.format in ("JPEG", "MPO"):
        check_scans(data, image.width * image.height)
    return image


def check_scans(data: bytes, pixels: int) -> None:
    """Refuse a JPEG file of too many scans for its pixels."""
    # Counting single bytes is several times as fast, and nearly always enough. Within a scan, 0xff is followed by 0.
    if data.count(b"\xda") * pixels > MAX_SCAN_PIXELS and (scans := data.count(b"\xff\xda")) * pixels > MAX_SCAN_PIXELS:
        raise UnreadablePhoto(f"a JPEG of {scans} scans, too many for its {pixels} pixels")
