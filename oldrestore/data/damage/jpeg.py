"""What JPEG compression does to a photograph, in exact arithmetic.

Encoders and decoders differ in the last bit from library to library; here every step is defined: the colour
conversion, halved chroma, 8 x 8 cosine transform and quantisation of ITU-T T.81 (1992), the tables of its annex K
scaled by quality as the Independent JPEG Group's software does, and the way back.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage
from oldrestore.data.damage.mixing import ROWS

Quality = Annotated[int, Field(ge=1, le=100)]  # as users of JPEG know it

# Annex K of ITU-T T.81, tables K.1 and K.2.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.int64,
)
CHROMINANCE = np.full((8, 8), 99, dtype=np.int64)
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# cos(k pi / 16) / 2 in 1/8192, k = 0..7; written out so that no cosine is computed.
HALF_COSINES = (4096, 4017, 3784, 3406, 2896, 2276, 1567, 799)
SCALE = 8192 * 8192


def _transform() -> np.ndarray:
    """The cosine transform's matrix, (frequency, place), whole numbers in 1/8192."""
    matrix = np.zeros((8, 8))
    for frequency in range(8):
        for place in range(8):
            k = (2 * place + 1) * frequency % 32
            k = min(k, 32 - k)
            value = 0 if k == 8 else HALF_COSINES[k] if k < 8 else -HALF_COSINES[16 - k]
            matrix[frequency, place] = value if frequency else HALF_COSINES[4]
    return matrix


COSINES = _transform()


@checked
@dataclass
class Jpeg(Damage):
    """Blocks and ringing of strong compression."""

    kind = "jpeg"
    best: Quality = 95  # just above severity 0
    worst: Quality = 5  # at severity 1

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        rgb[:] = compress(rgb, round(self.best + (self.worst - self.best) * self.severity))


def compress(rgb_hw3: np.ndarray, quality: int) -> np.ndarray:
    """Compress and decode a photograph, uint8 (H, W, 3)."""
    height, width = rgb_hw3.shape[:2]
    padded = np.pad(rgb_hw3, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
    luminance, chrominance = (scaled_table(table, quality) for table in (LUMINANCE, CHROMINANCE))
    y = np.empty(padded.shape[:2], dtype=np.uint8)
    chroma = [np.empty((padded.shape[0] // 2, padded.shape[1] // 2), dtype=np.uint8) for _ in range(2)]
    for top in range(0, len(padded), ROWS):  # a multiple of 16, so that no block is cut
        rows, halved = slice(top, top + ROWS), slice(top // 2, (top + ROWS) // 2)
        planes = _to_ycc(padded[rows])
        y[rows] = _requantized(planes[0], luminance)
        for plane, halved_plane in zip(planes[1:], chroma, strict=True):
            quarter = plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]
            halved_plane[halved] = _requantized((quarter + 2) >> 2, chrominance)
    restored = _to_rgb(y, *(_doubled(plane) for plane in chroma))
    return restored[:height, :width]


def scaled_table(table: np.ndarray, quality: int) -> np.ndarray:
    """Quantisation steps at a quality, int64 (8, 8), 1..255."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((table * percent + 50) // 100, 1, 255)


def _to_ycc(rgb: np.ndarray) -> list[np.ndarray]:
    """Y, Cb, Cr of JFIF 1.02, int32 0..255; weights in 1/65536."""
    r, g, b = (rgb[..., channel].astype(np.int32) for channel in range(3))
    half = 1 << 15
    return [
        (19595 * r + 38470 * g + 7471 * b + half) >> 16,
        ((-11059 * r - 21709 * g + 32768 * b + half - 1) >> 16) + 128,
        ((32768 * r - 27439 * g - 5329 * b + half - 1) >> 16) + 128,
    ]


def _to_rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
    rgb = np.empty((*y.shape, 3), dtype=np.uint8)
    half = 1 << 15
    for top in range(0, len(y), ROWS):
        rows = slice(top, top + ROWS)
        light, blue, red = y[rows].astype(np.int32), cb[rows].astype(np.int32) - 128, cr[rows].astype(np.int32) - 128
        rgb[rows, :, 0] = np.clip(light + ((91881 * red + half) >> 16), 0, 255)
        rgb[rows, :, 1] = np.clip(light + ((-22554 * blue - 46802 * red + half) >> 16), 0, 255)
        rgb[rows, :, 2] = np.clip(light + ((116130 * blue + half) >> 16), 0, 255)
    return rgb


def _requantized(plane: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Transform blocks, round their coefficients to multiples of a table's steps, and transform back; 0..255."""
    height, width = plane.shape
    blocks = (plane - 128).reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3)
    # Products of whole numbers below 2^53 are exact in float64, in whatever order a matrix product adds them.
    spectrum = (COSINES @ blocks.astype(np.float64) @ COSINES.T).astype(np.int64)
    step = table * SCALE
    levels = np.sign(spectrum) * ((np.abs(spectrum) + step // 2) // step)
    restored = (COSINES.T @ (levels * table).astype(np.float64) @ COSINES).astype(np.int64)
    rounded = ((restored + SCALE // 2) // SCALE) + 128
    return np.clip(rounded, 0, 255).transpose(0, 2, 1, 3).reshape(height, width)


def _doubled(plane: np.ndarray) -> np.ndarray:
    """Twice the size: each new pixel is 9/16, 3/16, 3/16 and 1/16 of its four neighbours."""
    tall = _doubled_rows(plane.astype(np.int16))
    wide = _doubled_rows(np.ascontiguousarray(tall.T)).T
    return ((wide + 8) >> 4).astype(np.uint8)


def _doubled_rows(plane: np.ndarray) -> np.ndarray:
    above = np.concatenate([plane[:1], plane[:-1]])
    below = np.concatenate([plane[1:], plane[-1:]])
    doubled = np.empty((2 * len(plane), plane.shape[1]), dtype=plane.dtype)
    doubled[::2], doubled[1::2] = 3 * plane + above, 3 * plane + below
    return doubled
