"""Reads TIFF files: the photographs among their directories, and their samples by what the tags say of them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import ExifTags, Image

from oldrestore.data.codecs.color_management import (
    ADOBE_RGB,
    composite_on_white,
    is_adobe_rgb,
    lab_to_srgb8,
    rgb_profile,
    to_srgb,
    to_srgb8,
)
from oldrestore.data.codecs.orientation import ORIENTATION_TAG, checked_orientation, turn_upright
from oldrestore.data.codecs.sample_depth import Span, bands, to_uint8, value_span
from oldrestore.data.codecs.unreadable import UnreadablePhoto, check_size, short_reason

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_PAGES = 2000
MAX_BYTES_DECODED = 1_700_000_000  # 100 megapixels of four 32-bit samples
READ_AT_ONCE = 2**22  # bytes of strips, besides the file
# TIFF 6.0, tags PhotometricInterpretation, and Adobe Photoshop TIFF Technical Notes (ICCLab).
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
UNCOMPRESSED, OLD_JPEG, JPEG, WEBP = 1, 6, 7, 50001
# What is decoded into no more than a strip or tile has room for, and JPEG, which is checked. CCITT, LZW, Deflate,
# PackBits, LZMA and Zstandard.
COMPRESSIONS = frozenset({UNCOMPRESSED, 2, 3, 4, 5, JPEG, 8, 32946, 32773, 34925, 50000, WEBP})
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2
INK_SET_TAG, MAX_SAMPLE_TAG, SMAX_SAMPLE_TAG = 332, 281, 341
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
RESOLUTION = frozenset({ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit})
_SILENT = logging.NullHandler()


def count_photographs(data: bytes) -> int:
    """Count the photographs in a TIFF file: its pages, without previews and masks; 1 if it cannot be read."""
    try:
        with _opened(data) as tiff:
            return max(1, sum(1 for _ in _photographs(tiff)))
    except Exception:  # noqa: BLE001 (decoding says what is wrong)
        return 1


def decode_tiff(data: bytes, max_pixels: int, number: int) -> tuple[np.ndarray, str]:
    """Decode a photograph of a TIFF file to upright sRGB, uint8 (H, W, 3), with a remark on it, or an empty one."""
    try:
        with _opened(data) as tiff:
            page = next(islice(_photographs(tiff), number, None), None)
            if page is None:
                raise UnreadablePhoto(f"a TIFF without a page {number + 1}" if number else "corrupt file (no picture)")
            check_size(page.imagewidth, page.imagelength, max_pixels)
            remark = ""
            if page.is_reduced and any(_is_raw(other) for other in _directories(tiff)):
                remark = f"a raw file: its preview of {page.imagewidth} x {page.imagelength} pixels is read"
            inherited = tiff.pages[page.treeindex[0]].tags.valueof(ORIENTATION_TAG) if page.is_subifd else None
            orientation = checked_orientation(page.tags.valueof(ORIENTATION_TAG, default=inherited))
            others = {JPEG} if page.photometric in (CIELAB, ICCLAB) else set()
            others |= COMPRESSIONS - {JPEG, WEBP} if page.photometric == YCBCR else set()
            if page.compression == OLD_JPEG or page.compression in others:
                return np.ascontiguousarray(_with_libtiff(data, page, orientation)), remark
            rgb = _decode(page, len(data))
    except UnreadablePhoto:
        raise
    except Exception as error:
        raise UnreadablePhoto(short_reason(error)) from error
    return np.ascontiguousarray(turn_upright(rgb, orientation)), remark


def metadata_of(data: bytes, number: int) -> dict[str, Any]:
    """Return what the tags of a photograph say besides its pixels, by Pillow's names: ``exif``, ``xmp``, ``dpi``, ...

    The first page's also come from the first directory, which may be a preview, where its own has none.
    """
    found: dict[str, Any] = {}
    with _opened(data) as tiff:
        page = next(islice(_photographs(tiff), number, None))
        for one in (page, tiff.pages.first)[: 1 + (number == 0)]:
            for code, name in ((700, "xmp"), (33723, "iptc"), (34377, "photoshop"), (34675, "icc_profile")):
                if name not in found and code in one.tags:
                    tag = one.tags[code]
                    tiff.filehandle.seek(tag.valueoffset)
                    found[name] = tiff.filehandle.read(tag.valuebytecount)
            exif = _exif_of(tiff, one)
            found["exif"] = max(found.get("exif", exif), exif, key=len)
            unit = {2: 1.0, 3: 2.54}.get(exif.get(ExifTags.Base.ResolutionUnit, 2))
            dpi = exif.get(ExifTags.Base.XResolution), exif.get(ExifTags.Base.YResolution)
            if unit and all(dpi) and "dpi" not in found:
                found["dpi"] = (float(dpi[0]) * unit, float(dpi[1]) * unit)
    return found


def _exif_of(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Image.Exif:
    found, exif = Image.Exif(), Image.Exif()
    found.endian, found.bigtiff = tiff.byteorder, tiff.is_bigtiff
    try:
        found.load_from_fp(tiff.filehandle, page.offset)
        for tag in [tag for tag in found if tag not in KEPT | RESOLUTION]:
            del found[tag]
        found.bigtiff = False
        exif.load(found.tobytes())  # a copy that knows nothing of the file and its further directories
    except Exception:  # noqa: BLE001 (broken EXIF raises nearly anything, and must not cost the photograph)
        return Image.Exif()
    return exif


def _profile_of(page: tifffile.TiffPage) -> bytes | None:
    adobe = 34665 in page.tags and is_adobe_rgb(_exif_of(page.parent, page))
    return page.iccprofile or (rgb_profile(*ADOBE_RGB) if adobe else None)


def _opened(data: bytes) -> tifffile.TiffFile:
    # It logs what it finds odd, which Python prints where nobody has set up logging: our reasons say enough.
    logging.getLogger("tifffile").addHandler(_SILENT)
    return tifffile.TiffFile(io.BytesIO(data))


def _photographs(tiff: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """Yield the pages that are photographs, or the largest preview if there are none."""
    found, largest = False, None
    for page in _directories(tiff):
        if page.is_mask or page.photometric == MASK:
            continue
        if page.photometric in COLOURS and not page.is_reduced:
            found = True
            yield page
        elif page.photometric in COLOURS and (largest is None or page.size > largest.size):
            largest = page
    if not found and largest is not None:
        yield largest


def _directories(tiff: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """Yield the directories of the chain, each followed by those within it unless it is a whole picture itself."""
    seen: set[int] = set()
    for page in tiff.pages:
        yield _new(page, seen)
        if page.pages is not None and (page.is_reduced or page.photometric not in COLOURS):
            yield from (_new(inner.aspage(), seen) for inner in page.pages)


def _new(page: tifffile.TiffPage, seen: set[int]) -> tifffile.TiffPage:
    if page.offset in seen:
        raise UnreadablePhoto("corrupt file (a loop of pages)")
    if len(seen) >= MAX_PAGES:
        raise UnreadablePhoto(f"a TIFF of too many pages, above the limit of {MAX_PAGES}")
    seen.add(page.offset)
    return page


def _is_raw(page: tifffile.TiffPage) -> bool:
    return page.photometric in (tifffile.PHOTOMETRIC.CFA, tifffile.PHOTOMETRIC.LINEAR_RAW)


def _decode(page: tifffile.TiffPage, length: int) -> np.ndarray:
    _check(page, length)
    samples, photometric = page.asarray(maxworkers=1, buffersize=READ_AT_ONCE), page.photometric
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    samples = samples[..., None] if samples.ndim == 2 else samples
    if samples.ndim != 3 or samples.dtype.kind not in "buif":
        raise UnreadablePhoto("a TIFF of a kind that is not supported")
    if photometric == YCBCR:
        photometric = RGB  # as JPEG and WebP are decoded
    colours, extra = COLOURS[photometric], page.extrasamples
    if colours == 1 and samples.shape[2] >= 3 and not {ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA} & set(extra):
        colours = 3  # RGB of writers that leave the photometric interpretation at its default
    if samples.shape[2] < colours:
        raise UnreadablePhoto("a TIFF of a kind that is not supported")
    alpha = _alpha_of(page, samples[..., colours:])
    color = samples[..., :colours] if colours > 1 else samples[..., 0]
    span = _span_of(page, color)
    if alpha is not None and ASSOCIATED_ALPHA in extra:
        color = _unassociated(color, alpha, span[1])
    if photometric == PALETTE:
        rgb = _palette(page)[np.minimum(color, len(page.colormap[0]) - 1)]
    elif photometric in (CIELAB, ICCLAB):
        rgb = lab_to_srgb8(_lab(color, photometric))
    else:
        rgb = to_srgb8(color, _profile_of(page), span[::-1] if photometric == WHITE_IS_ZERO else span)
    return rgb if alpha is None else composite_on_white(rgb, to_uint8(alpha, span if alpha.dtype.kind == "u" else None))


def _check(page: tifffile.TiffPage, length: int) -> None:
    """Refuse what is not supported, is cut off, or would fill the memory, before anything is decoded."""
    inks = page.photometric == CMYK and page.tags.valueof(INK_SET_TAG, default=1) != 1
    if page.imagedepth != 1 or page.dtype is None or inks or page.compression not in COMPRESSIONS:
        raise UnreadablePhoto("a TIFF of a kind that is not supported")
    segment = page.tilewidth * page.tilelength if page.is_tiled else 0
    if max(page.size, segment * page.samplesperpixel) * page.dtype.itemsize > MAX_BYTES_DECODED:
        raise UnreadablePhoto("a TIFF whose samples are too large for memory")
    offsets = page.dataoffsets[: int(np.prod(page.chunked))]
    if page.compression == UNCOMPRESSED and not page.is_tiled and isinstance(page.bitspersample, int):
        # How long its strips are follows from the picture: what writers say of that is sometimes wrong.
        samples = page.samplesperpixel if page.planarconfig == tifffile.PLANARCONFIG.CONTIG else 1
        row = (page.imagewidth * samples * page.bitspersample + 7) // 8
        tops = range(0, page.imagelength, page.rowsperstrip)
        heights = [min(page.rowsperstrip, page.imagelength - top) for top in tops]
        page.databytecounts = tuple(row * height for height in heights) * (len(offsets) // len(heights))
    counts = page.databytecounts[: len(offsets)]
    if len(offsets) < np.prod(page.chunked) or len(counts) < len(offsets) or not all(offsets) or not all(counts):
        raise UnreadablePhoto("truncated file")
    if max(offset + count for offset, count in zip(offsets, counts, strict=True)) > length:
        raise UnreadablePhoto("truncated file")
    if page.compression == JPEG:
        handle = page.parent.filehandle
        for offset, count in zip(offsets, counts, strict=True):
            handle.seek(offset)
            _, high, wide, _ = tifffile.tifffile.jpeg_shape(handle.read(count))
            if high * wide > 4 * max(page.tilewidth * page.tilelength, page.imagewidth * page.rowsperstrip):
                raise UnreadablePhoto("corrupt file (strips that are larger than the picture)")


def _alpha_of(page: tifffile.TiffPage, extra: np.ndarray) -> np.ndarray | None:
    kinds = page.extrasamples
    for number in range(extra.shape[2]):
        kind = kinds[number] if number < len(kinds) else None
        if kind in (ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA):
            return extra[..., number]
    # A fourth sample of which nothing is said is opacity, as most writers mean it, unless it is not used.
    return extra[..., 0] if extra.shape[2] == 1 and not kinds and extra.any() else None


def _span_of(page: tifffile.TiffPage, samples: np.ndarray) -> Span:
    bits = page.bitspersample if isinstance(page.bitspersample, int) else None
    black, white = value_span(samples, bits)
    if samples.dtype.kind == "u":
        for tag in (MAX_SAMPLE_TAG, SMAX_SAMPLE_TAG):
            highest = int(np.max(page.tags.valueof(tag, default=0)))
            # 4095: of 16 bits, 12 are used. Numbers of another kind are statistics of the picture.
            if 1 <= highest < white and highest & (highest + 1) == 0 and samples.max() <= highest:
                return black, float(highest)
    return black, white


def _unassociated(color: np.ndarray, alpha: np.ndarray, most: float) -> np.ndarray:
    divided = np.empty(color.shape, color.dtype)
    for band in bands(color):
        opaque = alpha[band].astype(np.float64) / most
        opaque = opaque[..., None] if color.ndim == 3 else opaque
        full = np.clip(color[band] / np.where(opaque > 0, opaque, 1), 0, most)
        divided[band] = full if color.dtype.kind == "f" else np.rint(full)
    return divided


def _palette(page: tifffile.TiffPage) -> np.ndarray:
    colormap = page.colormap.T[None]
    # 16-bit by the standard; some writers put 8 bits into the high byte, others into the low one.
    eight = colormap if colormap.max() <= 255 else colormap >> 8
    return to_srgb8(eight.astype(np.uint8), _profile_of(page))[0]


def _lab(samples: np.ndarray, photometric: int) -> np.ndarray:
    """Return L* 0..100, a* and b* of samples as TIFF stores them."""
    if samples.dtype.kind == "f":
        return samples
    depth = samples.dtype.itemsize
    lightness, unit = 255.0 if depth == 1 else 65535.0, 1 if depth == 1 else 256
    ab = samples[..., 1:]
    if photometric == ICCLAB:
        lightness = 255.0 if depth == 1 else 65280.0
        ab = ab.astype(np.float32) / unit - 128
    else:
        ab = ab.astype(f"i{depth}", copy=False).astype(np.float32) / unit
    return np.dstack([samples[..., :1].astype(np.float32) * (100 / lightness), ab])


def _with_libtiff(data: bytes, page: tifffile.TiffPage, orientation: int) -> np.ndarray:
    """Decode what only libtiff does: YCbCr that is no JPEG, JPEG in the way of TIFF 6.0, and Lab as JPEG."""
    if page.is_subifd or page.bitspersample != 8:
        raise UnreadablePhoto("a TIFF of a kind that is not supported")
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        image.seek(page.index)
        try:
            image.load()  # which also turns it
        except OSError:
            if orientation > 4:  # which libtiff leaves
                raise
            return imagecodecs.tiff_decode(data, index=page.index, asrgb=True)[..., :3]
        return lab_to_srgb8(_lab(np.asarray(image), CIELAB)) if image.mode == "LAB" else to_srgb(image)
