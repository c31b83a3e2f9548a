"""How different two colours look: CIEDE2000, in NumPy."""

from __future__ import annotations

import numpy as np

# So many at a time that intermediate numbers stay in the processor's cache.
PIXELS_AT_ONCE = 2**14
_TO_THE_7TH = 25.0**7


def ciede2000(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Colour difference of CIE Lab (..., 3) and (..., 3), float64 (...), for kL = kC = kH = 1.

    About 1 is just noticeable side by side. It is computed in float64, and differs by rounding alone from
    ``skimage.color.deltaE_ciede2000``.

    References
    ----------
    G. Sharma, W. Wu, E. N. Dalal (2005), The CIEDE2000 color-difference formula: implementation notes, supplementary
    test data, and mathematical observations. Color Research and Application 30.
    """
    if one.shape != other.shape or one.shape[-1:] != (3,):
        raise ValueError(f"colours of shape {one.shape} and {other.shape} are not pairs of L, a and b")
    firsts, seconds = one.reshape(-1, 3), other.reshape(-1, 3)
    differences = np.empty(len(firsts))
    for start in range(0, len(firsts), PIXELS_AT_ONCE):
        rows = slice(start, start + PIXELS_AT_ONCE)
        differences[rows] = _of_planes(*(np.ascontiguousarray(p[rows].T, np.float64) for p in (firsts, seconds)))
    return differences.reshape(one.shape[:-1])


def _of_planes(one_3n: np.ndarray, other_3n: np.ndarray) -> np.ndarray:
    (L1, a1, b1), (L2, a2, b2) = one_3n, other_3n
    # Near gray, a is stretched.
    stretch = 1.5 - 0.5 * _saturation((np.sqrt(a1 * a1 + b1 * b1) + np.sqrt(a2 * a2 + b2 * b2)) / 2)
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2 = np.sqrt(a1 * a1 + b1 * b1), np.sqrt(a2 * a2 + b2 * b2)
    h1, h2 = np.arctan2(b1, a1), np.arctan2(b2, a2)
    # The way round the circle is the shorter one; of gray there is no hue, and the mean is that of the other colour.
    h1, h2 = np.where(h1 < 0, h1 + 2 * np.pi, h1), np.where(h2 < 0, h2 + 2 * np.pi, h2)
    turn, hueless = h2 - h1, C1 * C2 == 0
    far = np.abs(turn) > np.pi
    mean_hue = (h1 + h2) / 2 + np.where(far, np.where(h1 + h2 < 2 * np.pi, np.pi, -np.pi), 0.0)
    mean_hue = np.where(hueless, h1 * (C1 > 0) + h2 * (C2 > 0), mean_hue)
    turn -= np.where(far, np.copysign(2 * np.pi, turn), 0.0)
    dL, dC = L2 - L1, C2 - C1
    dH = 2 * np.sqrt(C1 * C2) * np.sin(turn / 2)

    mean_C = (C1 + C2) / 2
    # Cosines of multiples of an angle, by those of the angle itself.
    c, s = np.cos(mean_hue), np.sin(mean_hue)
    c2, s2 = c * c - s * s, 2 * s * c
    c3, s3, c4, s4 = c * c2 - s * s2, s * c2 + c * s2, c2 * c2 - s2 * s2, 2 * s2 * c2
    of_hue = (
        1
        - 0.17 * (c * np.cos(np.radians(30)) + s * np.sin(np.radians(30)))
        + 0.24 * c2
        + 0.32 * (c3 * np.cos(np.radians(6)) - s3 * np.sin(np.radians(6)))
        - 0.20 * (c4 * np.cos(np.radians(63)) + s4 * np.sin(np.radians(63)))
    )
    from_middle = ((L1 + L2) / 2 - 50) ** 2
    dL /= 1 + 0.015 * from_middle / np.sqrt(20 + from_middle)
    dC /= 1 + 0.045 * mean_C
    dH /= 1 + 0.015 * mean_C * of_hue
    blue = np.radians(60) * np.exp(-(((np.degrees(mean_hue) - 275) / 25) ** 2))
    rotation = -2 * _saturation(mean_C) * np.sin(blue)
    return np.sqrt(np.maximum(dL * dL + dC * dC + dH * dH + rotation * dC * dH, 0.0))


def _saturation(chroma: np.ndarray) -> np.ndarray:
    """sqrt(C^7 / (C^7 + 25^7))."""
    squared = chroma * chroma
    seventh = squared * squared * squared * chroma
    return np.sqrt(seventh / (seventh + _TO_THE_7TH))
