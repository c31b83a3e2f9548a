"""The colours that a network finds likely at a place: the parts of its own distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oldrestore.color.gamut import lab_to_rgb8_in_gamut
from oldrestore.color.lab import rgb_to_lab


@dataclass(frozen=True)
class LikelyColor:
    """A colour for a place, within sRGB at its lightness."""

    ab: tuple[float, float]
    share: float  # of the distribution, 0..1
    color: str  # #rrggbb


def likely_colors(p_q: np.ndarray, lightness: float) -> list[LikelyColor]:
    """Return the likely parts of a distribution over the 313 ab bins, the likeliest first, as colours of a lightness.

    They are those that variants of a whole photograph are made of; see `likely_parts`.
    """
    from oldrestore.photographs.variants import likely_parts  # late: its libraries take a second

    found = [shown_color(lightness, ab, float(share)) for ab, share in zip(*likely_parts(p_q), strict=True)]
    return sorted(found, key=lambda one: -one.share)


def shown_color(lightness: float, ab: np.ndarray, share: float) -> LikelyColor:
    """Return a colour as sRGB shows it at a lightness, 0..100."""
    rgb = lab_to_rgb8_in_gamut(np.array([[lightness, *ab]], dtype=np.float32))[0]
    a, b = rgb_to_lab(rgb)[1:]
    return LikelyColor((round(float(a), 2), round(float(b), 2)), share, "#{:02x}{:02x}{:02x}".format(*rgb))
