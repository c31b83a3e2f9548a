"""Joins colour that was predicted at a fraction of the size to lightness at full size, along its edges."""

from __future__ import annotations

import numpy as np
from PIL import Image

REACH = 2  # neighbours on each side of a colour that may lend theirs: a window of 5 x 5 at the colour's size
SPREAD = 0.5  # standard deviation of a neighbour's weight by distance, at the colour's size
ROWS = 2**18  # pixels worked on at once, so that a large photograph needs little memory


def join_color(ab_hw2: np.ndarray, L_hw: np.ndarray, edge_range: float) -> np.ndarray:
    """Bring colour to the size of the lightness it belongs to, without bleeding over edges of lightness.

    Joint bilateral upsampling: each pixel takes the mean of the 5 x 5 colours around it, weighted by distance and
    by how alike their mean lightness is to the pixel's own. A mean never makes a colour that is not between
    those given.

    Parameters
    ----------
    ab_hw2 : ndarray
        float (h, w, 2), Lab units.
    L_hw : ndarray
        float32 (H, W), 0..100.
    edge_range : float
        Standard deviation of the weight by difference of lightness, in units of L; about 10. 0 switches
        lightness off: colour is interpolated bilinearly.

    Returns
    -------
    ndarray
        float32 (H, W, 2), Lab units.

    References
    ----------
    Kopf, Cohen, Lischinski, Uyttendaele. Joint bilateral upsampling. SIGGRAPH 2007.
    """
    height, width = L_hw.shape
    if not edge_range:
        return np.stack([_resize(ab_hw2[..., c], (height, width)) for c in range(2)], axis=-1)
    h, w = ab_hw2.shape[:2]
    padding = ((REACH, REACH), (REACH, REACH), (0, 0))
    # Lightness where the colours are, each the mean over its own area.
    known = np.concatenate([ab_hw2, _box_reduce(L_hw, (h, w))[..., None]], axis=-1, dtype=np.float32)
    known = np.pad(known, padding, mode="edge")
    y = (np.arange(height, dtype=np.float32) + 0.5) * (h / height) - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * (w / width) - 0.5
    nearest_y, nearest_x = np.rint(y).astype(int), np.rint(x).astype(int)
    joined = np.empty((height, width, 2), np.float32)
    step = max(1, ROWS // width)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        L = L_hw[rows]
        total = np.zeros((*L.shape, 2), np.float32)
        weights = np.zeros(L.shape, np.float32)
        for down in range(-REACH, REACH + 1):
            near_y = np.exp(-((nearest_y[rows] + down - y[rows]) ** 2) / (2 * SPREAD**2))
            for right in range(-REACH, REACH + 1):
                near_x = np.exp(-((nearest_x + right - x) ** 2) / (2 * SPREAD**2))
                neighbour = known[(nearest_y[rows] + down + REACH)[:, None], (nearest_x + right + REACH)[None]]
                alike = np.exp(-((neighbour[..., 2] - L) ** 2) / np.float32(2 * edge_range**2))
                # The small constant decides where no neighbour is alike: then distance alone does.
                weight = (near_y[:, None] * near_x[None]).astype(np.float32) * (alike + np.float32(1e-4))
                total += weight[..., None] * neighbour[..., :2]
                weights += weight
        joined[rows] = total / weights[..., None]
    return joined


def _resize(channel_hw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(channel_hw, dtype=np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _box_reduce(channel_hw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(channel_hw, dtype=np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BOX))
