"""Decodes JPEG files for resizing: by the shortest way where nothing else is to be done, and scaled where asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from oldrestore.data.codecs.color_management import profile_of
from oldrestore.data.codecs.decode import (
    MAX_PIXELS,
    UnreadablePhoto,
    open_checked,
    orientation_of,
    to_srgb,
    turn_upright,
)
from oldrestore.data.codecs.quiet_pillow import quiet_pillow

JPEG_MAGIC = b"\xff\xd8\xff"
SCALES = (8, 4, 2)
LONGEST = 8  # aspect beyond which a photograph is decoded in full: strips are cut before they are resized


def load_plain_jpeg(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image | None:
    """Decode a JPEG file as Pillow's image, where its pixels are upright sRGB as they stand; None for all others.

    Most photographs are such files. They can be resized before they become an array, which spares four copies of all
    pixels; the pixels are those of `decode_bytes`. A file that cannot be read is None too: `decode_bytes` says why.
    """
    if not data.startswith(JPEG_MAGIC):
        return None
    try:
        with quiet_pillow():
            image = open_checked(data, ("JPEG",), max_pixels)
            if image.mode != "RGB" or profile_of(image) or orientation_of(image) != 1:
                return None
            image.load()
            return image
    except Exception:  # noqa: BLE001 (see above)
        return None


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
