"""Decodes JPEG files for resizing: by the shortest way where nothing else is to be done, or at a fraction of a size."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from oldrestore.data.codecs.color_management import profile_of
from oldrestore.data.codecs.decode import (
    MAX_PIXELS,
    UnreadablePhoto,
    check_scans,
    open_checked,
    orientation_of,
    to_srgb,
    turn_upright,
)
from oldrestore.data.codecs.quiet_pillow import quiet_pillow

JPEG_MAGIC = b"\xff\xd8\xff"
# Baseline, extended and progressive frames; JFIF, comments, quantisation, Huffman codes, restarts.
FRAMES = (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2")
BARE_MARKERS = (*FRAMES, b"\xff\xe0", b"\xff\xfe", b"\xff\xdb", b"\xff\xc4", b"\xff\xdd")
SCAN = b"\xff\xda"
SCALES = (8, 4, 2)
# OpenCV has no names for the scales alone; these have them without the bit for blue, green, red.
SCALE_FLAGS = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
LONGEST = 8  # aspect beyond which a photograph is decoded in full: strips are cut before they are resized


def load_plain_jpeg(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image | None:
    """Decode a JPEG file as Pillow's image, where its pixels are upright sRGB as they stand; None for all others.

    Most photographs are such files. They can be resized before they become an array, which spares four copies of all
    pixels; the pixels are those of `decode_bytes`. A file that cannot be read is None too: `decode_bytes` says why.
    """
    try:
        with quiet_pillow():
            image = _open_rgb(data, max_pixels)
            if image is None or orientation_of(image) != 1:
                return None
            image.load()
            return image
    except Exception:  # noqa: BLE001 (see above)
        return None


def _open_rgb(data: bytes, max_pixels: int) -> Image.Image | None:
    """Open a JPEG file whose pixels are sRGB as they stand, though perhaps not upright; None for all others."""
    if not data.startswith(JPEG_MAGIC):
        return None
    image = open_checked(data, ("JPEG",), max_pixels)
    return image if image.mode == "RGB" and not profile_of(image) else None


@dataclass(frozen=True)
class ReducedPhoto:
    """A photograph, perhaps decoded at a fraction of its size, that is to be resized and then turned upright."""

    rgb: np.ndarray  # uint8 (h, w, 3), as in the file
    # Width and height of the whole photograph in these pixels: an eighth of 500 is 62.5, and the last row or column
    # stands for less than a whole pixel.
    extent: tuple[float, float]
    orientation: int = 1  # EXIF


def reduce_jpeg(data: bytes, shorter_side: int, margin: float, max_pixels: int = MAX_PIXELS) -> ReducedPhoto | None:
    """Decode a JPEG file with OpenCV: at a fraction of its size that leaves `margin` times `shorter_side`, or in full.

    OpenCV has libjpeg-turbo, as Pillow's wheel does: the pixels of a full decoding are the same, without the copies.
    None for files with an odd aspect or colour space, a profile or a shorter side below `shorter_side`, and for what
    cannot be read: `decode_bytes` decodes it, or says why not.
    """
    try:
        size, orientation = _bare_size(data), 1
        if size is not None:
            check_scans(data, size[0] * size[1])
        else:
            with quiet_pillow():
                image = _open_rgb(data, max_pixels)
                if image is None:
                    return None
                size, orientation = image.size, orientation_of(image)
        shorter, longer = sorted(size)
        if shorter < shorter_side or longer > LONGEST * shorter or shorter * longer > max_pixels:
            return None
        scale = next((scale for scale in SCALES if shorter >= scale * margin * shorter_side), 1)
        flags = SCALE_FLAGS[scale] | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        rgb = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except Exception:  # noqa: BLE001 (see above)
        return None
    if rgb is None or rgb.shape != (-(-size[1] // scale), -(-size[0] // scale), 3):
        return None
    return ReducedPhoto(rgb, (size[0] / scale, size[1] / scale), orientation)


def _bare_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG file of 3 x 8 bits with nothing else in its header that could concern its pixels.

    That spares Pillow's longer look at it. None for other files: with EXIF or a profile, or broken.
    """
    size, place = None, 2
    while data.startswith(JPEG_MAGIC) and (marker := data[place : place + 2]) in BARE_MARKERS:
        if marker in FRAMES:
            precision, height, width, components = struct.unpack_from(">BHHB", data, place + 4)
            if size is not None or precision != 8 or components != 3 or not height or not width:
                return None
            size = width, height
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return size if data[place : place + 2] == SCAN else None


@dataclass(frozen=True)
class ScaledPhoto:
    """A photograph, perhaps decoded at a fraction of its size."""

    rgb: np.ndarray  # uint8 (h, w, 3), upright, contiguous
    height: int  # of the whole photograph at full size, upright
    width: int
    # Left, top, right and bottom of the photograph within `rgb`: an eighth of 500 pixels is 62.5, and the row or column
    # at one edge stands for less than a whole pixel.
    box: tuple[float, float, float, float]


def scale_jpeg(data: bytes, shorter_side: int, max_pixels: int = MAX_PIXELS) -> ScaledPhoto | None:
    """Decode a JPEG file at a fraction of its size; None if it is to be decoded in full.

    A JPEG file holds the frequencies of blocks of 8 x 8 pixels. From the lower ones alone a smaller picture comes at
    once, nearly the one that averaging over pixels would make (libjpeg's scaled decoding). Other files, and those
    that are not twice as large as asked for, are to be decoded in full. `shorter_side` is the least, in pixels.
    `UnreadablePhoto` is raised if the file is too large.
    """
    if not data.startswith(JPEG_MAGIC):
        return None
    try:
        with quiet_pillow():
            return _decode(data, shorter_side, max_pixels)
    except UnreadablePhoto:
        raise
    except Exception:  # noqa: BLE001 (the full decoding says what is wrong with the file, if anything is)
        return None


def _decode(data: bytes, shorter_side: int, max_pixels: int) -> ScaledPhoto | None:
    with open_checked(data, ("JPEG",), max_pixels) as image:
        width, height = image.size
        scale = next((scale for scale in SCALES if min(width, height) >= scale * shorter_side), 1)
        if scale == 1 or max(width, height) > LONGEST * min(width, height):
            return None
        drafted = image.draft(image.mode, (width // scale, height // scale))
        if drafted is None:
            return None
        image.load()
        orientation = orientation_of(image)
        rgb = to_srgb(image)
    box = _turned(drafted[1], rgb.shape[0], rgb.shape[1], orientation)
    if orientation in (5, 6, 7, 8):
        height, width = width, height
    return ScaledPhoto(np.ascontiguousarray(turn_upright(rgb, orientation)), height, width, box)


def _turned(
    box: tuple[float, float, float, float], height: int, width: int, orientation: int
) -> tuple[float, float, float, float]:
    """Where a box within the file's pixels (height x width) lies once they are upright."""
    left, top, right, bottom = box
    if orientation in (5, 6, 7, 8):
        left, top, right, bottom = top, left, bottom, right
        height, width = width, height
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    return left, top, right, bottom
