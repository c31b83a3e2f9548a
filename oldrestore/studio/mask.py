"""Strokes of brush and eraser over what a detector finds: a detector like any other for the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from oldrestore.restoration.stages import Detection, Detector
from oldrestore.studio.session import BrushStroke

FRACTION = 4  # bits: coordinates are drawn to a sixteenth of a pixel


@dataclass(frozen=True)
class PaintedDetector:
    """Damage that a detector finds, if there is one, corrected by strokes in their order.

    Strokes are in pixels of a photograph of `height` and `width`; it may be given at another size.
    """

    base: Detector | None
    strokes: Sequence[BrushStroke]
    height: int
    width: int

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Find damage; the confidence is 1 where the brush was, and 0 where the eraser was."""
        shape = rgb_hw3.shape[:2]
        if self.base is None:
            mask, confidence = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.float32)
        else:
            found = self.base(rgb_hw3)
            mask, confidence = found.mask_hw.copy(), found.confidence_hw.copy()
        for stroke in self.strokes:
            covered = drawn(stroke, shape, (self.height, self.width))
            mask[covered] = confidence[covered] = stroke.tool == "brush"
        return Detection(mask, confidence)


def drawn(stroke: BrushStroke, shape: tuple[int, int], of_shape: tuple[int, int]) -> np.ndarray:
    """Return what a stroke covers, bool `shape`, whose coordinates are those of a photograph of `of_shape`."""
    (rows, columns), (height, width) = shape, of_shape
    scale = np.array([columns / width, rows / height])
    points = (np.asarray(stroke.points) + 0.5) * scale - 0.5
    covered = np.zeros(shape, dtype=np.uint8)
    thickness = max(1, round(2 * stroke.radius * float(scale.mean())))
    fixed = np.rint(points * 2**FRACTION).astype(np.int32)
    if len(fixed) == 1:
        fixed = np.repeat(fixed, 2, axis=0)
    cv2.polylines(covered, [fixed], False, 1, thickness, cv2.LINE_8, FRACTION)
    return covered.astype(bool)
