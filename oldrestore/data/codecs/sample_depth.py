"""Scales samples of any depth (16-bit, 32-bit, floating point) to 8 bits without clipping."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SAMPLES_AT_ONCE = 4_000_000  # as float64: 32 MB, where a whole scan of 100 megapixels would be gigabytes
A_BYTE_SHORT = 2**24  # 32-bit integers that stay below use three of their four bytes at most

Span = tuple[float, float]
"""The samples that are black and white; white comes first, as the smaller number, where zero is white."""


def to_uint8(samples: np.ndarray, span: Span | None = None) -> np.ndarray:
    """Scale image samples of any numeric type to uint8, by default from their `value_span`."""
    span = span or value_span(samples)
    if samples.dtype == np.uint8 and span == (0, 255):
        return samples
    scaled = np.empty(samples.shape, np.uint8)
    table = None
    if samples.dtype.kind in "bu" and samples.dtype.itemsize <= 2:
        table = _stretched(np.arange(256**samples.dtype.itemsize), span)
    for band in bands(samples):
        part = samples[band]
        scaled[band] = _stretched(part, span) if table is None else table[part.astype(np.uint16)]
    return scaled


def to_uint16(samples: np.ndarray, span: Span) -> np.ndarray:
    """Scale image samples to uint16, for colour management."""
    return samples if samples.dtype == np.uint16 and span == (0, 65535) else _stretched(samples, span, 65535)


def value_span(samples: np.ndarray, bits: int | None = None) -> Span:
    """Return the samples that mean black and white, where the file says no more than the type and number of `bits`.

    Integers of up to 16 bits have the range of their type. Wider ones and floating point are read in the smallest of
    the usual ranges that holds them all: 0..1 (floating point only), 0..255 (floating point only), 0..65535, and for
    integers that use their highest byte the range of their type. They are stretched from their minimum to their
    maximum when none does, and so are negative numbers. NaN and infinities count as 0.
    """
    kind = samples.dtype.kind
    if kind == "b":
        return 0.0, 1.0
    highest = 2.0 ** ((bits or samples.dtype.itemsize * 8) - (kind == "i")) - 1
    if kind == "u" and highest <= 65535:
        return 0.0, highest
    extremes = [(band.min(), band.max()) for band in (_finite(samples[rows]) for rows in bands(samples))]
    minimum, maximum = float(min(low for low, _ in extremes)), float(max(high for _, high in extremes))
    usual = [1.0, 255.0, 65535.0] if kind == "f" else [min(highest, 65535.0)]
    if kind != "f" and maximum >= A_BYTE_SHORT:
        usual.append(highest)
    if minimum >= 0:
        for high in usual:
            if maximum <= high:
                return 0.0, high
    return (minimum, maximum) if maximum > minimum else (minimum, minimum + 1.0)


def bands(samples: np.ndarray) -> Iterator[slice]:
    """Cut a picture (H, ...) into slices of rows that are small enough to be computed with in float64."""
    rows = max(1, SAMPLES_AT_ONCE * len(samples) // max(1, samples.size))
    for top in range(0, len(samples), rows):
        yield slice(top, top + rows)


def _stretched(samples: np.ndarray, span: Span, most: int = 255) -> np.ndarray:
    black, white = span
    stretched = (_finite(samples).astype(np.float64) - black) * (most / (white - black))
    return np.rint(np.clip(stretched, 0, most)).astype(np.uint8 if most == 255 else np.uint16)


def _finite(samples: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(samples), samples, 0) if samples.dtype.kind == "f" else samples
