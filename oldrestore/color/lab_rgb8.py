"""8-bit sRGB photographs to CIE Lab, channel by channel, in float64: what every training step begins with on a CPU.

Cube roots are NumPy's, which are vectorised; Paddle's power calls the C library for each number and takes five to ten
times as long. In float64 the result is the float32 nearest to the exact value, within one unit in the last place, on
whatever machine: in float32 it would depend on the processor's instructions.
"""

from __future__ import annotations

import numpy as np

from oldrestore.color.lab import F_OFFSET, F_SLOPE, RELATIVE_XYZ_FROM_RGB, XYZ_JUNCTION, _decode_gamma

_LINEAR_LIGHT = _decode_gamma(np.arange(256) / 255.0)


def rgb8_to_lab_b3hw(rgb_b3hw: np.ndarray) -> np.ndarray:
    """Convert 8-bit sRGB photographs to CIE Lab.

    Parameters
    ----------
    rgb_b3hw : ndarray
        uint8 (B, 3, H, W), 0..255, with any strides.

    Returns
    -------
    ndarray
        float32 (B, 3, H, W), contiguous: L 0..100, a and b in Lab units.
    """
    lab_b3hw = np.empty(rgb_b3hw.shape, np.float32)
    # One photograph at a time, so that its planes stay in the processor's cache.
    for rgb_3hw, (L, a, b) in zip(rgb_b3hw, lab_b3hw, strict=True):
        linear = [np.take(_LINEAR_LIGHT, channel) for channel in rgb_3hw]
        fx, fy, fz = (_curve(sum(m * x for m, x in zip(row, linear, strict=True))) for row in RELATIVE_XYZ_FROM_RGB)
        L[...] = 116.0 * fy - 16.0
        a[...] = 500.0 * (fx - fy)
        b[...] = 200.0 * (fy - fz)
    return lab_b3hw


def _curve(relative: np.ndarray) -> np.ndarray:
    f = np.cbrt(relative)
    np.copyto(f, F_SLOPE * relative + F_OFFSET, where=relative <= XYZ_JUNCTION)
    return f
