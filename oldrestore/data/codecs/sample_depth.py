"""Scales samples of any depth (16-bit, 32-bit, floating point) to 8 bits without clipping."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SAMPLES_AT_ONCE = 4_000_000  # as float64: 32 MB, where a whole scan of 100 megapixels would be gigabytes


def to_uint8(samples: np.ndarray) -> np.ndarray:
    """Scale image samples of any numeric type to uint8.

    Unsigned integers are scaled from the range of their type (16-bit: divided by 257, rounded). Signed
    integers and floating point have no range of their own: they are read in the smallest of the usual
    ranges that holds them all, 0..1 (floating point only), 0..255 (floating point only) or 0..65535, and
    stretched from their minimum to their maximum when none does. NaN and infinities become 0.

    Parameters
    ----------
    samples : numpy.ndarray
        Any shape; bool, integer or floating point.

    Returns
    -------
    numpy.ndarray
        uint8, same shape, 0..255.
    """
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * 255
    if samples.dtype.kind == "u":
        low, high = 0.0, float(np.iinfo(samples.dtype).max)
    else:
        low, high = _range_of(samples)
    scaled = np.empty(samples.shape, np.uint8)
    for band in bands(samples):
        stretched = (_finite(samples[band]).astype(np.float64) - low) * (255.0 / (high - low))
        scaled[band] = np.rint(np.clip(stretched, 0, 255))
    return scaled


def bands(samples: np.ndarray) -> Iterator[slice]:
    """Cut a picture (H, ...) into slices of rows that are small enough to be computed with in float64."""
    rows = max(1, SAMPLES_AT_ONCE * len(samples) // max(1, samples.size))
    for top in range(0, len(samples), rows):
        yield slice(top, top + rows)


def _finite(samples: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(samples), samples, 0) if samples.dtype.kind == "f" else samples


def _range_of(samples: np.ndarray) -> tuple[float, float]:
    extremes = [(band.min(), band.max()) for band in (_finite(samples[rows]) for rows in bands(samples))]
    minimum, maximum = float(min(low for low, _ in extremes)), float(max(high for _, high in extremes))
    usual = (1.0, 255.0, 65535.0) if samples.dtype.kind == "f" else (65535.0,)
    if minimum >= 0:
        for high in usual:
            if maximum <= high:
                return 0.0, high
    return (minimum, maximum) if maximum > minimum else (minimum, minimum + 1.0)
