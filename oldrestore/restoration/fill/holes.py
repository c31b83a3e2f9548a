"""Splits a mask into holes, each with its box, area and depth, and fills them one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

# Holes with at most 2 x this many known pixels between them count as one: those pixels border on both.
JOINED_WITHIN = 3


@dataclass(frozen=True)
class Hole:
    """One connected part of a mask."""

    label: int  # of its pixels in the labels, from 1
    rows: slice  # with `columns`, the smallest box around it
    columns: slice
    area: int  # pixels
    # Largest distance (Euclidean, pixels) of a pixel in it to the nearest pixel outside of the mask: 1 for a line of
    # one pixel, about the radius of a round hole.
    depth: float

    def box(self, margin: int) -> tuple[slice, slice]:
        """Rows and columns of its box, wider by `margin` on each side; a slice may end outside of the photograph."""
        return tuple(slice(max(0, side.start - margin), side.stop + margin) for side in (self.rows, self.columns))


# Given the copy to fill, the hole and the labels of `find_holes`.
FillOne = Callable[[np.ndarray, Hole, np.ndarray], None]


def fill_each(rgb_hw3: np.ndarray, mask_hw: np.ndarray, fill: FillOne) -> np.ndarray:
    """Fill a copy of a photograph hole by hole, in its box only; mid-gray if nothing at all is known."""
    filled = rgb_hw3.copy()
    if mask_hw.all():
        filled[:] = 128
        return filled
    labels, holes = find_holes(mask_hw)
    for hole in holes:
        fill(filled, hole, labels)
    return filled


def find_holes(mask_hw: np.ndarray) -> tuple[np.ndarray, list[Hole]]:
    """Label the connected parts of a mask (8 neighbours, gaps of up to 6 pixels bridged).

    Returns the label of each pixel, int32 (H, W), 0 outside of holes; and the holes by label.
    """
    if not mask_hw.any():
        return np.zeros(mask_hw.shape, dtype=np.int32), []
    mask = mask_hw.astype(np.uint8)
    side = 2 * JOINED_WITHIN + 1
    # OpenCV dilates by a box of ones in two passes of a running maximum, whatever its size.
    joined = cv2.dilate(mask, np.ones((side, side), np.uint8))
    count, labels = cv2.connectedComponents(joined, connectivity=8, ltype=cv2.CV_32S)
    labels *= mask
    label = labels[mask_hw]
    area = np.bincount(label, minlength=count)
    depth = np.zeros(count, dtype=np.float32)
    np.maximum.at(depth, label, depths(mask_hw)[mask_hw])
    return labels, [
        Hole(number, rows, columns, int(area[number]), float(depth[number]))
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1)
    ]


def depths(mask_hw: np.ndarray) -> np.ndarray:
    """Distance of each pixel in holes to the nearest one outside, float32 (H, W), pixels; 0 outside.

    Beyond the photograph's edge nothing is known, so a hole does not end there. In a mask without any known pixel
    every distance is the longer side.
    """
    if mask_hw.all():
        return np.full(mask_hw.shape, max(mask_hw.shape), dtype=np.float32)
    return cv2.distanceTransform(mask_hw.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
