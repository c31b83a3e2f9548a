"""What a colorizer says of one photograph, and the photograph that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from oldrestore import runtime
from oldrestore.color.difference import ciede2000
from oldrestore.color.joining import ColorOfRows
from oldrestore.color.lab import lab_to_rgb8, rgb_to_lab, rgb_to_lightness

# So that a scan of many megapixels needs little memory, and a step's numbers stay in the processor's cache.
PIXELS_AT_ONCE = 2**16


@dataclass(frozen=True)
class ColorPrediction:
    """A colorizer's answer to one lightness channel."""

    ab_hw2: np.ndarray  # colour, float32, Lab units, as large as the lightness given
    # int (h, w, 5), the five likeliest of the 313 bins, likeliest first, at the network's own size
    top_bins: np.ndarray | None = None


@dataclass(frozen=True)
class ColoredPhoto:
    """A photograph beside what a colorizer says of its lightness: what a metric is measured on."""

    original: np.ndarray  # uint8 (H, W, 3)
    lab: np.ndarray  # the same in Lab, float32 (H, W, 3)
    ab: np.ndarray  # predicted colour, (H, W, 2)
    top_bins: np.ndarray | None  # see `ColorPrediction`

    @cached_property
    def rgb(self) -> np.ndarray:
        """True lightness in predicted colour, uint8 (H, W, 3)."""
        return recolor(self.lab[..., 0], self.ab)

    @cached_property
    def difference(self) -> np.ndarray:
        """CIEDE2000 between each pixel of `rgb` and the original, float64 (H, W)."""
        return ciede2000(rgb_to_lab(self.rgb), self.lab)

    @cached_property
    def gray_difference(self) -> np.ndarray:
        """The same of the gray photograph: what a colorizer that does nothing has."""
        return ciede2000(rgb_to_lab(recolor(self.lab[..., 0], np.zeros_like(self.true_ab))), self.lab)

    @property
    def true_ab(self) -> np.ndarray:
        """The original's colour, (H, W, 2)."""
        return self.lab[..., 1:]


# Lightness channels float32 (H, W), 0..100, each of its own size -> one prediction for each, in order.
Colorize = Callable[[Sequence[np.ndarray]], list[ColorPrediction]]


def recolor(L_hw: np.ndarray, ab_hw2: np.ndarray) -> np.ndarray:
    """Join true lightness, 0..100, to predicted colour, Lab units: uint8 sRGB (H, W, 3).

    Colours outside sRGB are clipped, so the lightness of a very saturated prediction may change.
    """
    if ab_hw2.shape != (*L_hw.shape, 2):
        raise ValueError(f"colour of shape {ab_hw2.shape} does not fit lightness of shape {L_hw.shape}")
    return recolor_rows(L_hw, lambda rows: ab_hw2[rows])


def recolor_rows(
    L_hw: np.ndarray, color_of_rows: ColorOfRows, to_rgb8: Callable[[np.ndarray], np.ndarray] = lab_to_rgb8
) -> np.ndarray:
    """As `recolor`, with colour that is computed some rows at a time and nowhere kept at full size.

    `color_of_rows` gives the colour of a slice of rows, float32 (rows, W, 2); it is called from several threads.
    `to_rgb8` converts Lab: `lab_to_rgb8_in_gamut` for pictures to look at, where metrics need the protocols' clipping.
    """
    height, width = L_hw.shape
    joined = np.empty((height, width, 3), dtype=np.uint8)

    def join(band: slice) -> None:
        ab = color_of_rows(band)
        if not np.isfinite(ab).all():
            raise ValueError("the predicted colour is not finite everywhere")
        joined[band] = to_rgb8(np.concatenate([L_hw[band, :, None], ab], axis=-1, dtype=np.float32))

    in_bands(join, height, width)
    return joined


def lightness(rgb_hw3: np.ndarray) -> np.ndarray:
    """Return the lightness of a photograph, float32 (H, W), 0..100."""
    return converted(rgb_hw3, rgb_to_lightness, np.empty(rgb_hw3.shape[:2], dtype=np.float32))


def converted(source: np.ndarray, convert: Callable[[np.ndarray], np.ndarray], out: np.ndarray) -> np.ndarray:
    """Convert by bands of rows, so that intermediate values need little memory."""

    def convert_band(band: slice) -> None:
        out[band] = convert(source[band])

    in_bands(convert_band, *source.shape[:2])
    return out


def in_bands(work: Callable[[slice], None], height: int, width: int) -> None:
    """Do something to each band of rows of a photograph, on as many threads as Paddle has (``OMP_NUM_THREADS``)."""
    rows = max(1, PIXELS_AT_ONCE // max(1, width))
    bands = [slice(top, min(top + rows, height)) for top in range(0, height, rows)]
    threads = runtime.threads()
    if threads == 1 or len(bands) == 1:
        for band in bands:
            work(band)
        return
    with ThreadPoolExecutor(min(threads, len(bands))) as pool:
        list(pool.map(work, bands))
