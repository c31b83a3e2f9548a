"""The colours that a network finds likely at a place: the peaks of its own distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oldrestore.color.bins import AB_BINS
from oldrestore.color.gamut import lab_to_rgb8_in_gamut
from oldrestore.color.lab import rgb_to_lab

REACH = 12.0  # Lab units: standard deviation of what counts as about the same colour
APART = 20.0  # Lab units between two that are offered
LEAST = 0.02  # share of the distribution


@dataclass(frozen=True)
class LikelyColor:
    """A colour for a place, within sRGB at its lightness."""

    ab: tuple[float, float]
    share: float  # of the distribution, 0..1
    color: str  # #rrggbb


def likely_colors(p_q: np.ndarray, lightness: float, count: int = 5) -> list[LikelyColor]:
    """Return up to `count` peaks of a distribution over the 313 ab bins, the likeliest first.

    Every bin counts for the nearest peak. Peaks are those of the distribution smoothed by a Gaussian, from the highest
    down, each at least `APART` from those before it; the colour is the mean of what counts for it.
    """
    squares = ((AB_BINS[:, None] - AB_BINS) ** 2).sum(axis=2)
    smooth = np.exp(-squares / (2 * REACH**2)) @ p_q
    peaks: list[int] = []
    for index in np.argsort(-smooth, kind="stable"):
        higher = smooth[(squares[index] < APART**2) & (squares[index] > 0)]
        if smooth[index] >= higher.max(initial=0.0) and all(squares[index, peak] >= APART**2 for peak in peaks):
            peaks.append(int(index))
    nearest = squares[:, peaks].argmin(axis=1)
    found = []
    for number in range(len(peaks)):
        share = float(p_q[nearest == number].sum())
        if share >= LEAST:
            mean = (p_q[nearest == number, None] * AB_BINS[nearest == number]).sum(axis=0) / share
            found.append(shown_color(lightness, mean, share))
    return sorted(found, key=lambda one: -one.share)[:count]


def shown_color(lightness: float, ab: np.ndarray, share: float) -> LikelyColor:
    """Return a colour as sRGB shows it at a lightness, 0..100."""
    rgb = lab_to_rgb8_in_gamut(np.array([[lightness, *ab]], dtype=np.float32))[0]
    a, b = rgb_to_lab(rgb)[1:]
    return LikelyColor((round(float(a), 2), round(float(b), 2)), share, "#{:02x}{:02x}{:02x}".format(*rgb))
