"""Joins colour that was predicted at a fraction of the size to lightness at full size, along its edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

REACH = 2  # neighbours on each side that a mean is over: a window of 5 x 5 at the colour's size
SPREAD = 0.5  # standard deviation of a neighbour's weight by distance, at the colour's size
UNLIKE = 1e-4  # added to the weight by lightness, so that distance alone decides if no neighbour is alike
PIXELS = 2**15  # worked on at once: what a step reads and writes stays in the processor's cache

# Colour, float32 (rows, W, 2), Lab units, of some rows of a photograph.
ColorOfRows = Callable[[slice], np.ndarray]


def joined_rows(ab_hw2: np.ndarray, L_hw: np.ndarray, edge_range: float) -> ColorOfRows:
    """Bring colour to the size of the lightness it belongs to, without bleeding over edges of lightness.

    Joint bilateral upsampling: each pixel takes the mean of the 5 x 5 colours around it, weighted by distance and
    by how alike their mean lightness is to the pixel's own. The function that is returned computes the rows of a
    slice, without a step, so that a large photograph needs little memory; several threads may call it.

    Parameters
    ----------
    ab_hw2 : ndarray
        float (h, w, 2), Lab units.
    L_hw : ndarray
        float32 (H, W), 0..100.
    edge_range : float
        Standard deviation of the weight by difference of lightness, in units of L; about 10. 0 switches
        lightness off: colour is interpolated bilinearly.

    References
    ----------
    Kopf, Cohen, Lischinski, Uyttendaele. Joint bilateral upsampling. SIGGRAPH 2007.
    """
    if not edge_range:
        return interpolated_rows(ab_hw2, L_hw.shape)
    (height, width), (h, w) = L_hw.shape, ab_hw2.shape[:2]
    # Lightness where the colours are, each the mean over its own area.
    samples = np.concatenate([ab_hw2, _box_reduce(L_hw, (h, w))[..., None]], axis=-1, dtype=np.float32)
    samples = np.pad(samples, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="edge")
    y = (np.arange(height, dtype=np.float32) + 0.5) * (h / height) - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * (w / width) - 0.5
    nearest_y, nearest_x = np.rint(y).astype(int), np.rint(x).astype(int)
    reach = range(-REACH, REACH + 1)
    near_y = [np.exp(-((nearest_y + down - y) ** 2) / (2 * SPREAD**2)).astype(np.float32) for down in reach]
    near_x = np.stack([np.exp(-((nearest_x + right - x) ** 2) / (2 * SPREAD**2)) for right in reach]).astype(np.float32)
    columns = np.stack([nearest_x + right + REACH for right in reach])
    sharpness = np.float32(-1 / (2 * edge_range**2))
    most_rows = max(1, PIXELS // width)

    def of_rows(rows: slice) -> np.ndarray:
        joined = np.empty((rows.stop - rows.start, width, 2), np.float32)
        top = rows.start
        while top < rows.stop:
            # Rows with the same colours around them; of those, as many as one step may hold.
            same = int(np.searchsorted(nearest_y, nearest_y[top], side="right"))
            stop = min(same, top + most_rows, rows.stop)
            joined[top - rows.start : stop - rows.start] = _join(slice(top, stop))
            top = stop
        return joined

    def _join(rows: slice) -> np.ndarray:
        L = L_hw[rows]
        total, weights = np.zeros((2, *L.shape), np.float32), np.zeros(L.shape, np.float32)
        weight, share = (np.empty((len(reach), *L.shape), np.float32) for _ in range(2))
        row = nearest_y[rows.start] + REACH
        for down, nearness in zip(reach, near_y, strict=True):
            # The neighbours of one line, at once: (5, 1, W) each.
            a, b, lightness = samples[row + down][columns].transpose(2, 0, 1)[:, :, None]
            np.subtract(L, lightness, out=weight)
            np.multiply(weight, weight, out=weight)
            np.multiply(weight, sharpness, out=weight)
            np.exp(weight, out=weight)
            np.add(weight, np.float32(UNLIKE), out=weight)
            np.multiply(nearness[rows, None], near_x[:, None], out=share)
            np.multiply(weight, share, out=weight)
            weights += weight.sum(axis=0)
            for color, sum_of_color in zip((a, b), total, strict=True):
                np.multiply(weight, color, out=share)
                sum_of_color += share.sum(axis=0)
        return np.stack([sum_of_color / weights for sum_of_color in total], axis=-1)

    return of_rows


def interpolated_rows(ab_hw2: np.ndarray, shape: tuple[int, int]) -> ColorOfRows:
    """Interpolate colour (h, w, 2) bilinearly to a shape (H, W), some rows at a time."""
    height, width = shape
    h, w = ab_hw2.shape[:2]
    pictures = [Image.fromarray(np.ascontiguousarray(ab_hw2[..., channel], dtype=np.float32)) for channel in range(2)]

    def of_rows(rows: slice) -> np.ndarray:
        count = rows.stop - rows.start
        if (h, w) == shape:
            return np.ascontiguousarray(ab_hw2[rows], dtype=np.float32)
        box = (0, rows.start * h / height, w, rows.stop * h / height)
        channels = [picture.resize((width, count), Image.Resampling.BILINEAR, box=box) for picture in pictures]
        return np.stack(channels, axis=-1)

    return of_rows


def _box_reduce(channel_hw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(channel_hw, dtype=np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BOX))
