"""Finds gray prints on a coloured ground: a table, a cloth, the page of an album."""

from __future__ import annotations

import cv2
import numpy as np

from oldrestore.restoration.stages import LIT, SHARE, distance_from_tone, off_tone, small_lab

SMALLEST = 0.03  # share of the picture that a print covers
LEAST_TOGETHER = 0.15  # and all of them
LEAST_GROUND = 0.05  # share of the picture that is ground
LEAST_RECTANGULAR = 0.85  # share of the smallest rectangle around a print that its outline fills
LEAST_COLORED = 0.8  # share of the ground that is not of the prints' tone
LEAST_JUMP = 5.0  # Lab units of ab across the border, from print to ground
EDGE = 2  # pixels at the size looked at, where print and ground mix


def is_print_on_colored_ground(rgb_hw3: np.ndarray) -> bool:
    """Whether a photograph shows prints of one tone, rectangles that may be turned, on a ground of other colours.

    The tone is gray, or that of the picture's middle. It is a rule of thumb, as `has_colors` is, for photographs that
    have colours: what is in the rectangles has none, and nearly all around them has.
    """
    lab_hw3 = small_lab(rgb_hw3)
    height, width = lab_hw3.shape[:2]
    middle = lab_hw3[height // 3 : height - height // 3, width // 3 : width - width // 3].reshape(-1, 3)
    gray = np.stack([np.linspace(0, 100, 21), np.zeros(21), np.zeros(21)], axis=-1)
    return any(_has_prints(lab_hw3, tone) for tone in (gray, middle))


def _has_prints(lab_hw3: np.ndarray, tone_n3: np.ndarray) -> bool:
    shape = lab_hw3.shape[:2]
    off = off_tone(lab_hw3.reshape(-1, 3), tone_n3).reshape(shape)
    lit = lab_hw3[..., 0] > LIT
    # What is too dark to have a colour belongs to the print around it or to the ground around it.
    kernel = np.ones((3, 3), np.uint8)
    of_tone = cv2.morphologyEx((~off).astype(np.uint8), cv2.MORPH_OPEN, kernel)
    prints = np.zeros(shape, np.uint8)
    for outline in cv2.findContours(of_tone, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        hull = cv2.convexHull(outline)
        area = cv2.contourArea(hull)
        if area < SMALLEST * off.size:
            continue
        if area < LEAST_RECTANGULAR * np.prod(cv2.minAreaRect(hull)[1]):
            return False
        cv2.fillConvexPoly(prints, hull, 1)
    # A print ends at once, where a sky fades.
    distance = distance_from_tone(lab_hw3.reshape(-1, 3), tone_n3).reshape(shape)
    inner, outer = (_ring(prints, kernel), _ring(1 - prints, kernel))
    if not inner.any() or not outer.any() or np.median(distance[outer]) - np.median(distance[inner]) < LEAST_JUMP:
        return False
    inside = (cv2.erode(prints, kernel, iterations=EDGE, borderValue=0) > 0) & lit
    ground = (cv2.dilate(prints, kernel, iterations=EDGE) == 0) & lit
    return bool(
        inside.sum() >= LEAST_TOGETHER * off.size
        and ground.sum() >= LEAST_GROUND * off.size
        and off[inside].mean() <= SHARE
        and off[ground].mean() >= LEAST_COLORED
    )


def _ring(area: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the pixels of an area along its border, but for those where print and ground mix; bool (h, w)."""
    within = cv2.erode(area, kernel, iterations=EDGE, borderValue=1)
    return (within > 0) & (cv2.erode(within, kernel, iterations=EDGE, borderValue=1) == 0)
