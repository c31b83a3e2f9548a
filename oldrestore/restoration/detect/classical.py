"""Finds scratches, creases and dust without learning: lines, top-hats, hysteresis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold

from oldrestore.config.values import checked
from oldrestore.restoration.detect.lines import line_strength
from oldrestore.restoration.detect.working_size import at_full_size, at_most
from oldrestore.restoration.stages import Detection

Threshold = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class LineKind:
    """What counts as one kind of line; lengths in pixels at the working size."""

    length: float  # this and the next two: see `line_strength`
    width: float
    gap: float
    threshold: float  # relative strength at which a line of this kind is detected
    lower: float  # share of the threshold down to which it continues
    extent: float  # least diagonal of its bounding box, as a share of the photograph's shorter side
    grown: int  # by how much the detected middle is widened
    reduced: float  # times by which the photograph is reduced further


# Chosen on training photographs: docs/detection.md.
SCRATCH = LineKind(length=16.0, width=0.6, gap=2.0, threshold=0.95, lower=0.65, extent=0.2, grown=0, reduced=1)
CREASE = LineKind(length=48.0, width=1.5, gap=4.0, threshold=2.1, lower=0.35, extent=0.45, grown=2, reduced=2)
NEIGHBOURHOOD = 49  # side of the square in which a line is compared with other structure, pixels
FLOOR = 6.0  # of 255: what counts as no structure
TEXTURE = 2.0  # how many times a line must outdo the structure around it, about
SPECK = 7  # side of the largest speck of dust, pixels
SPECK_LOWER = 0.3  # share of the threshold down to which a speck's surroundings belong to it
EVERYWHERE = np.ones((3, 3), dtype=bool)  # pixels that touch at a corner are connected


@checked
@dataclass(frozen=True)
class ClassicalDetector:
    """Thin lines and specks that stand out from what is around them.

    Lines of two widths are sought in 16 directions (`line_strength`), bright ones in the lowest of the three channels
    and dark ones in the highest: white paper and black dirt change all three. Their strength is divided by that of all
    structure in the neighbourhood, so that a twig among twigs does not count and a scratch in the sky does; then
    follow a threshold with hysteresis (Canny 1986) and a least extent. Specks are what a white or black top-hat
    (Meyer 1979) of a few pixels leaves, judged in the same way, if they are isolated. Large losses (holes, stains,
    torn corners) are not sought.

    The confidence is s / (s + threshold) of that relative strength s: 0.5 where it reaches the threshold.
    """

    # Largest shorter side, pixels; None is full size, which is right for lines of few pixels, and slow.
    size: Annotated[int, Field(ge=32)] | None = 512
    threshold: Threshold = 1.0  # multiplies the strength required of lines: lower finds more and is wrong more often
    speck_threshold: Threshold | None = 2.0  # relative strength required of specks; None ignores them

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Find damage."""
        rgb = at_most(rgb_hw3, self.size)
        bright, dark = bright_and_dark(rgb)
        mask = np.zeros(bright.shape, dtype=bool)
        confidence = np.zeros(bright.shape, dtype=np.float32)
        for kind in (SCRATCH, CREASE):
            lines = self._lines(rgb, kind)
            mask |= lines.mask_hw
            np.maximum(confidence, lines.confidence_hw, out=confidence)
        if self.speck_threshold is not None:
            strength = relative(speck_strength(bright, dark))
            mask |= specks(strength, self.speck_threshold)
            np.maximum(confidence, strength / (strength + self.speck_threshold), out=confidence)
        return at_full_size(mask, confidence, rgb_hw3.shape[:2])

    def _lines(self, rgb: np.ndarray, kind: LineKind) -> Detection:
        smaller = at_most(rgb, self.size, kind.reduced)
        strength = relative(line_strength(*bright_and_dark(smaller), kind.length, kind.width, kind.gap))
        threshold = self.threshold * kind.threshold
        mask = apply_hysteresis_threshold(strength, kind.lower * threshold, threshold)
        mask = without_small(mask, kind.extent * min(mask.shape))
        sure = strength / (strength + threshold)
        if kind.grown:
            mask = ndimage.binary_dilation(mask, EVERYWHERE, iterations=kind.grown)
            sure = ndimage.grey_dilation(sure, 2 * kind.grown + 1)
        return at_full_size(mask, sure, rgb.shape[:2])


def bright_and_dark(rgb_hw3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where bright lines show, the lowest channel, and where dark ones do, the highest; float32 (H, W)."""
    return rgb_hw3.min(axis=2).astype(np.float32), rgb_hw3.max(axis=2).astype(np.float32)


def relative(strength_hw: np.ndarray) -> np.ndarray:
    """Divide a strength, 0..255, by the root mean square of it in the neighbourhood; float32 (H, W)."""
    squares = ndimage.uniform_filter(strength_hw * strength_hw, NEIGHBOURHOOD, mode="reflect")
    return (strength_hw / (FLOOR + TEXTURE * np.sqrt(np.maximum(squares, 0.0)))).astype(np.float32)


def without_small(mask_hw: np.ndarray, extent: float) -> np.ndarray:
    """Remove connected parts whose bounding box has a diagonal below `extent` pixels."""
    labels, _ = ndimage.label(mask_hw, EVERYWHERE)
    diagonals = [np.hypot(*(cut.stop - cut.start for cut in box)) for box in ndimage.find_objects(labels)]
    return np.array([False, *(diagonal >= extent for diagonal in diagonals)], dtype=bool)[labels]


def speck_strength(bright_hw: np.ndarray, dark_hw: np.ndarray) -> np.ndarray:
    """The larger of a white top-hat of one picture and a black top-hat of the other; float32 (H, W)."""
    white = bright_hw - ndimage.grey_opening(bright_hw, SPECK)
    black = ndimage.grey_closing(dark_hw, SPECK) - dark_hw
    return np.maximum(white, black)


def specks(strength_hw: np.ndarray, threshold: float) -> np.ndarray:
    """Small parts above a threshold with hysteresis, bool (H, W), without longer parts."""
    mask = apply_hysteresis_threshold(strength_hw, SPECK_LOWER * threshold, threshold)
    return mask & ~without_small(mask, 2 * SPECK)
