"""Strength of thin lines: brighter or darker than what lies on both sides, and along their whole length."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import fft

DIRECTIONS = 16


def line_strength(bright_hw: np.ndarray, dark_hw: np.ndarray, length: float, width: float, gap: float) -> np.ndarray:
    """How far each pixel's line stands out from both of its sides, at least 0, in the pictures' units.

    For each of 16 directions a picture is averaged along half of `length`. The strength of a bright line is its mean
    less the higher of the means `gap` pixels to its left and right, and the lower of the values of its two halves: an
    edge, which stands out from one side, has none, and a bright spot, which fills one half, has little. Dark lines
    likewise. The minimum over both sides is that of the line detectors of radar images (Tupin,
    Maitre, Mangin, Nicolas, Pechersky, *Detection of Linear Features in SAR Images*, 1998), with differences for
    ratios.

    Parameters
    ----------
    bright_hw, dark_hw : np.ndarray
        float32 (H, W), in which to look for bright lines, and for dark ones.
    length, width, gap : float
        Length of a line, standard deviation of the average across it, and distance from its middle to its sides,
        pixels.
    """
    height, width_px = bright_hw.shape
    margin = math.ceil(length + gap + 4 * width) + 2
    best = np.zeros((height, width_px), dtype=np.float32)
    averaged = [_averages(picture, length / 2, width, margin) for picture in (bright_hw, dark_hw)]
    for (angle, bright), (_, dark) in zip(*averaged, strict=True):
        along = math.sin(angle) * length / 4, math.cos(angle) * length / 4
        across = math.cos(angle) * gap, -math.sin(angle) * gap
        lighter, darker = [], []
        for half in (-1, 1):
            places = [(half * along[0] + side * across[0], half * along[1] + side * across[1]) for side in (0, -1, 1)]
            middle, *sides = (_shifted(bright, place, margin, best.shape) for place in places)
            lighter.append(middle - np.maximum(*sides))
            middle, *sides = (_shifted(dark, place, margin, best.shape) for place in places)
            darker.append(np.minimum(*sides) - middle)
        np.maximum(best, np.minimum(*lighter), out=best)
        np.maximum(best, np.minimum(*darker), out=best)
    return best


def _averages(picture: np.ndarray, length: float, width: float, margin: int) -> Iterator[tuple[float, np.ndarray]]:
    """Each direction's angle and the picture averaged along it; `margin` pixels larger on every side."""
    # What lies beyond the photograph is its mirror image; NumPy's "reflect" would want at least two pixels.
    padded = np.pad(picture, margin, mode="symmetric")
    shape = [fft.next_fast_len(side + 2 * margin, real=True) for side in padded.shape]
    spectrum = fft.rfft2(padded, shape)
    for number in range(DIRECTIONS):
        angle = math.pi * number / DIRECTIONS
        kernel = _segment(angle, length, width)
        reach = kernel.shape[0] // 2
        whole = fft.irfft2(spectrum * fft.rfft2(kernel, shape), shape)
        yield angle, whole[reach : reach + padded.shape[0], reach : reach + padded.shape[1]]


def _segment(angle: float, length: float, width: float) -> np.ndarray:
    """Weights of a line segment, float32, sum 1: even along, with soft ends, and Gaussian across."""
    reach = math.ceil(length / 2 + 3 * width) + 1
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = right * math.cos(angle) + down * math.sin(angle)
    across = down * math.cos(angle) - right * math.sin(angle)
    weights = np.clip(length / 2 + 0.5 - np.abs(along), 0.0, 1.0) * np.exp(-(across**2) / (2 * width**2))
    return (weights / weights.sum()).astype(np.float32)


def _shifted(larger: np.ndarray, place: tuple[float, float], margin: int, shape: tuple[int, int]) -> np.ndarray:
    top, left = (margin + round(offset) for offset in place)
    return larger[top : top + shape[0], left : left + shape[1]]
