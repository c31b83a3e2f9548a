"""The maths of colour encoding and decoding in NumPy: what the package's tensors are compared with."""

from __future__ import annotations

import numpy as np
import paddle

from oldrestore.color.bins import AB_BINS
from oldrestore.color.decoding_paddle import annealed_mean_nchw
from oldrestore.color.encoding_paddle import SoftEncoder
from oldrestore.color.grid_paddle import GRID_LIMIT, GRID_SIDE, GRID_STEP
from oldrestore.color.hue_chroma_paddle import CHROMA_LIMIT, HUELESS


def encode_with_paddle(ab: np.ndarray, neighbours: int = 5, sigma: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """The package's soft encoding of colours (..., 2)."""
    ab_b2hw = np.ascontiguousarray(np.asarray(ab, np.float32).reshape(-1, 2).T.reshape(1, 2, 1, -1))
    encoded = SoftEncoder(neighbours, sigma)(paddle.to_tensor(ab_b2hw))
    return tuple(x.numpy()[0, :, 0].T.reshape(*ab.shape[:-1], neighbours) for x in encoded)


def decode_with_paddle(logits: np.ndarray, temperature: float) -> np.ndarray:
    """The package's annealed mean of scores (N, 313)."""
    logits_bqhw = paddle.to_tensor(np.ascontiguousarray(logits.astype(np.float32).T[None, :, None]))
    return annealed_mean_nchw(logits_bqhw, temperature).numpy()[0, :, 0].T


def soft_encode(ab: np.ndarray, neighbours: int = 5, sigma: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Nearest bins of colours (..., 2), and Gaussian weights that sum to 1; each (..., neighbours).

    All 313 distances are sorted, in float32; of equal ones the lower index comes first.
    """
    ab = np.asarray(ab, np.float32)
    points = np.clip(ab.reshape(-1, 2), -130, 130)
    indices, squared = np.empty((len(points), neighbours), np.int64), np.empty((len(points), neighbours), np.float32)
    for start in range(0, len(points), 10_000):  # all at once would need gigabytes
        rows = slice(start, start + 10_000)
        distances = (AB_BINS[:, 0] - points[rows, :1]) ** 2 + (AB_BINS[:, 1] - points[rows, 1:]) ** 2
        indices[rows] = np.argsort(distances, axis=1, kind="stable")[:, :neighbours]
        squared[rows] = np.take_along_axis(distances, indices[rows], axis=1)
    weights = np.exp((squared[:, :1] - squared) / np.float32(min(max(2.0 * sigma * sigma, 1e-30), 1e30)))
    weights /= weights.sum(axis=1, keepdims=True)
    return tuple(x.reshape(*ab.shape[:-1], neighbours) for x in (indices, weights))


def grid_index(ab: np.ndarray) -> np.ndarray:
    """Index of the square of the grid that each colour (..., 2) falls into."""
    cell = np.floor((np.asarray(ab) + GRID_LIMIT) / GRID_STEP + 0.5)
    cell = np.clip(cell, 0, GRID_SIDE - 1).astype(np.int64)
    return cell[..., 0] * GRID_SIDE + cell[..., 1]


def to_hue_chroma(ab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hue in radians, 0..2 pi, and chroma in Lab units, each (...), of colours (..., 2)."""
    a, b = np.moveaxis(np.asarray(ab), -1, 0)
    return np.arctan2(b, a) % (2 * np.pi), np.hypot(a, b)


def encode_hue(hue: np.ndarray, bins: int = 32) -> np.ndarray:
    """Weights (..., bins), summing to 1, of the two bins that an angle (radians) lies between."""
    distance = np.abs(np.asarray(hue)[..., None] * (bins / (2 * np.pi)) - np.arange(bins)) % bins
    return np.clip(1.0 - np.minimum(distance, bins - distance), 0.0, None)


def encode_chroma(chroma: np.ndarray, bins: int = 32) -> np.ndarray:
    """Weights (..., bins), summing to 1, of the two bins that a chroma (Lab units) lies between."""
    step = CHROMA_LIMIT / (bins - 1)
    place = np.clip(np.asarray(chroma), 0.0, CHROMA_LIMIT)[..., None] / step
    return np.clip(1.0 - np.abs(place - np.arange(bins)), 0.0, None)


def window_histograms(ab_hw2: np.ndarray, window: int = 7, bins: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of hue and of chroma in the square around each pixel."""
    hue, chroma = to_hue_chroma(np.asarray(ab_hw2, dtype=np.float64))
    counts_hw = _box_sum(np.ones_like(chroma)[..., None], window)
    chroma_histogram = _box_sum(encode_chroma(chroma, bins), window) / counts_hw
    weight = _box_sum(chroma[..., None], window)
    hue_histogram = _box_sum(chroma[..., None] * encode_hue(hue, bins), window) / np.maximum(weight, HUELESS)
    return np.where(weight > HUELESS * counts_hw, hue_histogram, 1.0 / bins), chroma_histogram


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
