"""Reads any photograph file as 8-bit sRGB, upright, or says shortly why it cannot be read."""

from __future__ import annotations

import errno
import io
import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from oldrestore.data.codecs.quiet_pillow import quiet_pillow
from oldrestore.data.codecs.sample_depth import bands, to_uint8
from oldrestore.errors import in_words

MAX_PIXELS = 100_000_000
"""Largest photograph that is decoded: 300 MB as RGB. More is taken for a decompression bomb."""

MAX_BYTES = 2**30
"""Largest file that is read: `MAX_PIXELS` in colour at 16 bits a sample have 600 MB."""

MAX_SCAN_PIXELS = 5_000_000_000
"""Scans times pixels of a JPEG that are decoded, a matter of seconds: progressive files have some ten scans, and a
small file with thousands of them would be decoded for hours."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""Pillow's readers that are tried (JPEG includes MPO). Those that start other programs, as EPS does, are left
out on purpose."""

HEAD_BYTES = 64
"""Bytes of a file that tell its format; see `is_photograph`."""

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION_TAG = 0x0112
_SILENT = logging.NullHandler()
WHITE = 255


class UnreadablePhoto(ValueError):  # noqa: N818 (the contract's name: it is a finding about a file)
    """A file that is not a photograph that can be decoded; `reason` says why in a few words."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


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

    EXIF orientation is applied. Gray, 1-bit, palette, CMYK and Lab pictures become RGB; 16-bit and
    floating-point samples are scaled to 8 bits, never clipped; transparency is composited on white; an
    embedded ICC profile other than sRGB is converted (relative colorimetric, black point compensated) and
    a broken one ignored. Of an animation the first frame is taken. The file's ending does not matter.

    Returns uint8 (H, W, 3), contiguous; raises `UnreadablePhoto` for what is no photograph, broken or too large.
    """
    return decode_bytes(read_photo_file(path), max_pixels)


@dataclass(frozen=True)
class DecodedPhoto:
    """A photograph, and what is wrong with its file although the photograph came out."""

    rgb: np.ndarray  # uint8 (H, W, 3), upright sRGB, contiguous
    damage: str = ""  # "its end marker is missing"; empty for a whole file


def decode_bytes(data: bytes, max_pixels: int = MAX_PIXELS, page: int = 0) -> np.ndarray:
    """Decode the contents of a photograph file; see `decode_photo`. `page` is below `count_pages`."""
    return decode_contents(data, max_pixels, page).rgb


def decode_contents(data: bytes, max_pixels: int = MAX_PIXELS, page: int = 0) -> DecodedPhoto:
    """Decode the contents of a photograph file as `decode_bytes` does, and say what is wrong with it."""
    try:
        with quiet_pillow(), open_checked(data, FORMATS, max_pixels) as image:
            image.seek(page)
            image.load()
            # Read after loading: PNG may carry EXIF behind its pixels, and Pillow turns TIFF files itself and
            # then forgets their tag.
            orientation = orientation_of(image)
            return DecodedPhoto(np.ascontiguousarray(turn_upright(to_srgb(image), orientation)))
    except UnreadablePhoto:
        raise
    except UnidentifiedImageError as error:
        if data.startswith(TIFF_MAGIC):
            return DecodedPhoto(_decode_with_tifffile(data, max_pixels))
        raise UnreadablePhoto("not an image that can be read") from error
    except Exception as error:
        raise UnreadablePhoto(_short_reason(error)) from error


def count_pages(data: bytes) -> int:
    """Count the photographs in a file's contents: the pages of a scanned TIFF, 1 for everything else.

    Previews, masks and reduced copies are no pages. A file that cannot be read counts as 1: decoding says why.
    """
    if not data.startswith(TIFF_MAGIC):
        return 1
    try:
        with quiet_pillow(), Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            return getattr(image, "n_frames", 1)
    except Exception:  # noqa: BLE001 (see above)
        return 1


def is_photograph(head: bytes) -> bool:
    """Say whether a file that begins with these bytes (`HEAD_BYTES` are enough) is of a format that is read here."""
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", *TIFF_MAGIC)) or (
        head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    )


def open_checked(data: bytes, formats: Sequence[str], max_pixels: int) -> Image.Image:
    """Open a photograph with Pillow, its pixels not yet decoded, and refuse one that is too large."""
    image = Image.open(io.BytesIO(data), formats=formats)
    _check_size(*image.size, max_pixels)
    if image.format in ("JPEG", "MPO"):
        check_scans(data, image.width * image.height)
    return image


def check_scans(data: bytes, pixels: int) -> None:
    """Refuse a JPEG file of too many scans for its pixels."""
    # Counting single bytes is several times as fast, and nearly always enough. Within a scan, 0xff is followed by 0.
    if data.count(b"\xda") * pixels > MAX_SCAN_PIXELS and (scans := data.count(b"\xff\xda")) * pixels > MAX_SCAN_PIXELS:
        raise UnreadablePhoto(f"a JPEG of {scans} scans, too many for its {pixels} pixels")


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise UnreadablePhoto("an image without pixels")
    if width * height > max_pixels:
        raise UnreadablePhoto(f"{width} x {height} pixels, above the limit of {max_pixels}")


def _short_reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "truncated" in text.lower():
        return "truncated file"
    if isinstance(error, MemoryError):
        return "too large for memory"
    if "Decompressed data too large" in text:
        return "its text or colour profile would unfold into more than a megabyte"
    if not isinstance(error, OSError | ValueError | SyntaxError | EOFError):
        return "corrupt file"  # what a decoder stumbled over says nothing to its user
    return f"corrupt file ({text[:80] or type(error).__name__})"


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of a picture, 1..8; 1 (upright) if it has none or a broken one."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 (broken EXIF raises nearly anything, and must not cost the photograph)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn_upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (EXIF 2.3, tag 0x0112: where row 0 and column 0 of the file stand)."""
    if orientation in (5, 6, 7, 8):
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    return rgb


def to_srgb(image: Image.Image) -> np.ndarray:
    """Return the loaded picture as uint8 sRGB (H, W, 3), not yet turned upright."""
    if image.mode == "LAB":
        # Lab in TIFF is relative to D50 where the file names no other white, as in ICC profiles.
        return _apply_profile(image, ImageCms.createProfile("LAB"))
    icc_profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        samples, key = np.asarray(image), image.info.get("transparency")
        rgb = _through_profile(Image.fromarray(to_uint8(samples)), icc_profile)
        # One value of a PNG's samples may stand for "transparent".
        return _composite_on_white(rgb, (samples != key) * np.uint8(255)) if isinstance(key, int) else rgb
    if image.mode == "CMYK":
        return _through_profile(image, icc_profile)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if not has_alpha:
        return _through_profile(image if image.mode in ("L", "RGB") else image.convert("RGB"), icc_profile)
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    if not icc_profile:  # without further copies of what may be 400 MB
        samples = np.asarray(rgba)
        return _composite_on_white(samples[..., :3], samples[..., 3])
    # The profile of a gray picture does not fit the RGB it has just become, and is then ignored.
    rgb = _through_profile(rgba.convert("RGB"), icc_profile)
    return _composite_on_white(rgb, np.asarray(rgba.getchannel("A")))


def _composite_on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    mixed = np.empty(rgb.shape, np.uint8)
    for band in bands(rgb):
        opaque = alpha[band][..., None].astype(np.uint32)
        mixed[band] = (rgb[band] * opaque + WHITE * (255 - opaque) + 127) // 255
    return mixed


def _through_profile(image: Image.Image, icc_profile: bytes | None) -> np.ndarray:
    """Convert L, RGB or CMYK through its embedded profile; plainly when it has none, sRGB or a broken one."""
    if icc_profile:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
            if "srgb" not in ImageCms.getProfileDescription(profile).lower():
                return _apply_profile(image, profile)
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            pass
    return np.asarray(image.convert("RGB"))


def _apply_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> np.ndarray:
    converted = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(converted)


def _decode_with_tifffile(data: bytes, max_pixels: int) -> np.ndarray:
    """Decode the TIFF files that Pillow does not know, such as floating-point RGB."""
    import tifffile  # a dependency of scikit-image; rarely needed, so imported late

    # It logs what it finds odd, which Python prints where nobody has set up logging: the reason below says enough.
    logging.getLogger("tifffile").addHandler(_SILENT)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            page = tiff.pages[0]
            _check_size(page.imagewidth, page.imagelength, max_pixels)
            samples = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
                samples = np.moveaxis(samples, 0, -1)
            orientation = page.tags.valueof(ORIENTATION_TAG, default=1)
            photometric = page.photometric
    except UnreadablePhoto:
        raise
    except Exception as error:
        raise UnreadablePhoto(_short_reason(error)) from error
    samples = samples[..., None] if samples.ndim == 2 else samples
    supported = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
    if photometric not in supported or samples.ndim != 3 or samples.shape[2] > 4 or samples.dtype.kind not in "uif":
        raise UnreadablePhoto("a TIFF of a kind that is not supported")
    colours = 3 if samples.shape[2] >= 3 else 1
    rgb = np.broadcast_to(to_uint8(samples[..., :colours]), (*samples.shape[:2], 3))
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        rgb = 255 - rgb
    if samples.shape[2] in (2, 4):
        rgb = _composite_on_white(rgb, to_uint8(samples[..., -1]))
    return np.ascontiguousarray(turn_upright(rgb, int(orientation)))
