"""Scales samples of any depth (16-bit, 32-bit, floating point) to 8 bits without clipping."""

from __future__ import annotations

import numpy as np


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
        if samples.dtype.kind == "f":
            samples = np.where(np.isfinite(samples), samples, 0)
        low, high = _range_of(samples)
    scaled = (samples.astype(np.float64) - low) * (255.0 / (high - low))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _range_of(samples: np.ndarray) -> tuple[float, float]:
    minimum, maximum = float(samples.min()), float(samples.max())
    usual = (1.0, 255.0, 65535.0) if samples.dtype.kind == "f" else (65535.0,)
    if minimum >= 0:
        for high in usual:
            if maximum <= high:
                return 0.0, high
    return (minimum, maximum) if maximum > minimum else (minimum, minimum + 1.0)
