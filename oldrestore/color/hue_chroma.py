"""Hue and chroma, the polar coordinates of the ab plane, and histograms of both.

Larsson, Maire and Shakhnarovich (2016) predict two histograms for each pixel. Their hue and chroma are those of
HSL; here they are those of CIE Lab, so that their network shares measures and judge with the others:
chroma = sqrt(a^2 + b^2), hue = the angle from +a (0, red) towards +b (90 degrees, yellow).
"""

from __future__ import annotations

import numpy as np

HISTOGRAM_BINS = 32
"""Bins of each histogram in the paper."""

CHROMA_LIMIT = 136.0
"""Centre of the highest chroma bin, Lab units. The most saturated colour of sRGB, blue, has 133.8."""

FADING = 0.03
"""The paper's eta: see `decode_histograms`."""

# Below this mean chroma (Lab units) a window has no hue: float32 gives gray pixels a chroma of up to 0.005.
HUELESS = 0.01


def to_hue_chroma(ab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hue in radians, 0..2 pi, and chroma in Lab units, each (...), of colours (..., 2).

    Gray (0, 0) has no hue; it is given 0.
    """
    a, b = np.moveaxis(np.asarray(ab), -1, 0)
    return np.arctan2(b, a) % (2 * np.pi), np.hypot(a, b)


def encode_hue(hue: np.ndarray, bins: int = HISTOGRAM_BINS) -> np.ndarray:
    """Weights (..., bins), summing to 1, of the two bins that an angle (radians) lies between.

    Bin k is centred at k / bins of a turn, and the last one is beside the first.
    """
    distance = np.abs(np.asarray(hue)[..., None] * (bins / (2 * np.pi)) - np.arange(bins)) % bins
    return np.clip(1.0 - np.minimum(distance, bins - distance), 0.0, None)


def encode_chroma(chroma: np.ndarray, bins: int = HISTOGRAM_BINS) -> np.ndarray:
    """Weights (..., bins), summing to 1, of the two bins that a chroma (Lab units) lies between.

    Centres are evenly spaced from 0 to `CHROMA_LIMIT`; what lies above counts as the highest. The mean of the
    centres under these weights is the chroma itself.
    """
    step = CHROMA_LIMIT / (bins - 1)
    place = np.clip(np.asarray(chroma), 0.0, CHROMA_LIMIT)[..., None] / step
    return np.clip(1.0 - np.abs(place - np.arange(bins)), 0.0, None)


def window_histograms(ab_hw2: np.ndarray, window: int = 7, bins: int = HISTOGRAM_BINS) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of hue and of chroma in the square around each pixel.

    Each colour counts as by `encode_hue` and `encode_chroma`; in the hue histogram it counts by its chroma too,
    for the hue of a nearly gray pixel is noise. At the border the square is cut off. A window without hue has
    the uniform histogram.

    Parameters
    ----------
    ab_hw2 : ndarray, (H, W, 2)
        Lab units.
    window : int
        Side of the square in pixels, odd. 7 in the paper's training; 1 is the exact colour.
    bins : int
        Of each histogram.

    Returns
    -------
    hue, chroma : ndarray, float64 (H, W, bins)
        Each summing to 1 over the bins.

    Raises
    ------
    ValueError
        When the window is not odd.
    """
    require_window(window)
    hue, chroma = to_hue_chroma(np.asarray(ab_hw2, dtype=np.float64))
    counts_hw = _box_sum(np.ones_like(chroma)[..., None], window)
    chroma_histogram = _box_sum(encode_chroma(chroma, bins), window) / counts_hw
    weight = _box_sum(chroma[..., None], window)
    hue_histogram = _box_sum(chroma[..., None] * encode_hue(hue, bins), window) / np.maximum(weight, HUELESS)
    return np.where(weight > HUELESS * counts_hw, hue_histogram, 1.0 / bins), chroma_histogram


def decode_histograms(hue: np.ndarray, chroma: np.ndarray, fading: float = FADING) -> np.ndarray:
    """Decode two histograms to one colour, as the paper does.

    Chroma is the expectation; hue is the circular mean, the direction of z = mean_k p_k exp(i theta_k).
    Where hue is uncertain, z is short and a vivid colour of a mean hue would be wrong: chromatic fading
    multiplies chroma by min(|z| / fading, 1). As z is a mean over K bins, |z| is at most 1 / K: with 32 bins
    and the paper's 0.03, colour fades wherever the resultant length K |z| is below 0.96.

    Parameters
    ----------
    hue, chroma : ndarray, (..., bins)
        Probabilities, each summing to 1.
    fading : float
        The paper's eta, 0 or above; 0 is no fading.

    Returns
    -------
    ndarray, (..., 2)
        a and b, Lab units.
    """
    bins = hue.shape[-1]
    angles = np.arange(bins) * (2 * np.pi / bins)
    z = np.stack([hue @ np.cos(angles), hue @ np.sin(angles)], axis=-1) / bins
    length = np.hypot(z[..., 0], z[..., 1])[..., None]
    expected = (chroma @ np.linspace(0.0, CHROMA_LIMIT, chroma.shape[-1]))[..., None]
    # direction x faded chroma = z / |z| x min(|z| / fading, 1) x chroma
    return expected * z / np.maximum(np.maximum(length, fading), 1e-12)


def require_window(window: int) -> None:
    """Raise ``ValueError`` unless a window has a middle pixel."""
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of pixels, not {window}")


def _box_sum(values_hwc: np.ndarray, window: int) -> np.ndarray:
    """Sum over the window around each pixel, cut off at the border."""
    reach = window // 2
    for axis in (0, 1):
        size = values_hwc.shape[axis]
        table = np.insert(values_hwc.cumsum(axis=axis), 0, 0.0, axis=axis)
        first = np.maximum(np.arange(size) - reach, 0)
        last = np.minimum(np.arange(size) + reach + 1, size)
        values_hwc = table.take(last, axis=axis) - table.take(first, axis=axis)
    return values_hwc
