"""Brings colours that sRGB cannot show into its gamut, for pictures to look at: less chroma, the same hue and L*.

Clipping channel by channel, as `lab_to_rgb8` does, changes lightness and hue, most where it shows most: a colour
predicted for black comes out dark blue, one for white yellow. Published protocols clip, so metrics do.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from oldrestore.color.lab import lab_to_linear_rgb, linear_to_rgb8

LOWEST, HIGHEST = -1e-5, 1.0001  # linear light that counts as within sRGB: white of a = b = 0 has 1.00008 of blue
STEPS_OF_L, STEPS_OF_HUE = 200, 256  # interpolated, this moves L by less than 0.2
HALVINGS = 20  # of the chroma 0..LARGEST_CHROMA
LARGEST_CHROMA = 140.0  # sRGB's is 134, of blue


def lab_to_rgb8_in_gamut(lab_n3: np.ndarray) -> np.ndarray:
    """Convert CIE Lab (..., 3) to 8-bit sRGB as `lab_to_rgb8` does, but reduce chroma instead of clipping channels.

    L*, which must be 0..100, is kept within 0.5, and so is hue in the plane of a and b; colours within sRGB come out
    the same. Black and white stay neutral.
    """
    linear = lab_to_linear_rgb(lab_n3)
    outside = ~_fits(linear)
    if outside.any():
        lab_m3 = lab_n3[outside].astype(np.float32)
        chroma = np.hypot(lab_m3[:, 1], lab_m3[:, 2])
        share = np.minimum(largest_chroma(lab_m3) / np.maximum(chroma, np.float32(1e-6)), np.float32(1))
        lab_m3[:, 1:] *= share[:, None]
        linear[outside] = lab_to_linear_rgb(lab_m3)
    return linear_to_rgb8(linear)


def largest_chroma(lab_n3: np.ndarray) -> np.ndarray:
    """Return the greatest chroma that sRGB has at the lightness and hue of colours, float32 (N, 3): from a table."""
    table, columns = _table().ravel(), STEPS_OF_HUE + 1
    y = lab_n3[:, 0] * np.float32(STEPS_OF_L / 100.0)
    x = _turn(lab_n3[:, 1], lab_n3[:, 2]) * np.float32(STEPS_OF_HUE / 4.0)
    row = np.minimum(y.astype(np.int32), STEPS_OF_L - 1)
    column = np.minimum(x.astype(np.int32), STEPS_OF_HUE - 1)
    y, x, at = y - row.astype(np.float32), x - column.astype(np.float32), row * columns + column
    above, below = ((1 - x) * table.take(corner) + x * table.take(corner + 1) for corner in (at, at + columns))
    return (1 - y) * above + y * below


def _fits(linear: np.ndarray) -> np.ndarray:
    red, green, blue = (linear[..., channel] for channel in range(3))  # reducing an axis of 3 would take longer
    lowest = np.minimum(np.minimum(red, green), blue)
    return (lowest >= LOWEST) & (np.maximum(np.maximum(red, green), blue) <= HIGHEST)


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hue as 0..4, around a square instead of a circle: grows as the angle does, without trigonometry."""
    part = b / np.maximum(np.abs(a) + np.abs(b), np.float32(1e-6))
    return np.where(a < 0, 2.0 - part, np.where(b < 0, 4.0 + part, part))


@cache
def _table() -> np.ndarray:
    """Greatest chroma by lightness and hue, float32 (STEPS_OF_L + 1, STEPS_OF_HUE + 1), found by halving."""
    L, turn = np.meshgrid(np.linspace(0, 100, STEPS_OF_L + 1), np.linspace(0, 4, STEPS_OF_HUE + 1), indexing="ij")
    # The square's corner at each turn: a falls from 1 to -1 while b goes up and down a quarter later.
    corner = np.stack([np.abs(turn - 2.0) - 1.0, 1.0 - np.abs((turn + 1.0) % 4.0 - 2.0)], axis=-1)
    direction = corner / np.linalg.norm(corner, axis=-1, keepdims=True)
    inside, outside = np.zeros_like(L), np.full_like(L, LARGEST_CHROMA)
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2.0
        linear = lab_to_linear_rgb(np.concatenate([L[..., None], middle[..., None] * direction], axis=-1))
        fits = _fits(linear)
        inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
    return inside.astype(np.float32)
