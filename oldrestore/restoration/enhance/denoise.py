"""Removes noise from a photograph, in proportion to its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from skimage.restoration import denoise_nl_means

from oldrestore.config.values import checked
from oldrestore.restoration.stages import is_gray
from oldrestore.restoration.tiling import tiles

PATCH = 5  # pixels, side of the patches that are compared
TILE = 512
BLOCK = 8  # differences on each side of a block in which noise is estimated
QUIET = 25  # percentile of the blocks: those with little texture
CLUMPS = 0.7  # how much noise of two pixels counts, beside that of one: some of it is texture
MAD = 0.6745  # median of |x| for normal x of deviation 1


@checked
@dataclass(frozen=True)
class Denoise:
    """Non-local means of scikit-image, with a strength that follows from the photograph's own noise.

    Source: Buades, Coll, Morel, *A non-local algorithm for image denoising*, CVPR 2005.
    """

    strength: Annotated[float, Field(ge=0, le=4)] = 0.8  # in units of the noise's standard deviation
    least_noise: Annotated[float, Field(ge=0, le=255)] = 3.0  # standard deviation below which nothing changes
    reach: Annotated[int, Field(ge=1, le=21)] = 3  # pixels around a patch to search; time grows with the square

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Denoise."""
        picture = rgb_hw3[..., :1] if is_gray(rgb_hw3) else rgb_hw3
        noise = visible_noise(picture)
        if noise < max(self.least_noise, 1e-3) or not self.strength:
            return rgb_hw3
        cleaned = np.empty_like(rgb_hw3)
        # A tile sees all that its pixels are compared with, so its edge does not show.
        for tile in tiles(*rgb_hw3.shape[:2], TILE, self.reach + PATCH):
            piece = denoise_nl_means(
                picture[tile.seen].astype(np.float32) / 255.0,
                patch_size=PATCH,
                patch_distance=self.reach,
                h=self.strength * noise / 255.0,
                sigma=noise / 255.0,
                fast_mode=True,
                channel_axis=-1,
            )
            # The library drops a single channel.
            piece = piece.reshape(*piece.shape[:2], -1)[tile.within]
            cleaned[tile.kept] = np.round(np.clip(piece * 255.0, 0, 255))
        return cleaned


def visible_noise(picture_hwc: np.ndarray) -> float:
    """Standard deviation (0..255) of the noise to remove, mean of the channels.

    Film grain comes in clumps, and JPEG leaves of noise what is coarse: then there is more at half the size, of which
    `CLUMPS` counts. Arguments as for `estimate_noise`.
    """
    height, width = (side // 2 * 2 for side in picture_hwc.shape[:2])
    half = np.full((height // 2, width // 2, picture_hwc.shape[2]), 2, dtype=np.uint16)
    for down in (0, 1):
        for right in (0, 1):
            half += picture_hwc[down:height:2, right:width:2]
    half //= 4
    # A mean of four halves the deviation of noise that does not depend on its neighbours.
    coarse = 2.0 * estimate_noise(half)
    return float(np.maximum(estimate_noise(picture_hwc), CLUMPS * coarse).mean())


def estimate_noise(picture_hwc: np.ndarray) -> np.ndarray:
    """Standard deviation of the noise of each channel of uint8 or uint16 (H, W, C), 0..255; of least texture.

    From the diagonal differences of each 2 x 2 pixels, the finest Haar wavelet: their median absolute value in blocks
    of 16 x 16 pixels (Donoho and Johnstone, Ideal spatial adaptation by wavelet shrinkage, Biometrika 1994), of which
    the lower quartile is taken. Somewhat below the truth for noise that does not depend on its neighbours; grain in
    clumps of several pixels and noise that JPEG has smoothed count for less. With fewer than 16 x 16 pixels it is 0.
    """
    side = 2 * BLOCK
    channels = picture_hwc.shape[2]
    deviations = [np.empty((0, channels))]
    columns = picture_hwc.shape[1] // side
    for top in range(0, picture_hwc.shape[0] - side + 1, side):
        band = picture_hwc[top : top + side, : columns * side].astype(np.int16)
        difference = np.abs(band[::2, ::2] - band[1::2, ::2] - band[::2, 1::2] + band[1::2, 1::2]) / 2
        blocks = difference.reshape(BLOCK, columns, BLOCK, channels).transpose(1, 0, 2, 3)
        deviations.append(np.median(blocks.reshape(columns, BLOCK * BLOCK, channels), axis=1) / MAD)
    gathered = np.concatenate(deviations)
    return np.percentile(gathered, QUIET, axis=0) if len(gathered) else np.zeros(channels)
