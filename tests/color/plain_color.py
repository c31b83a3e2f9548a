"""The maths of colour encoding and decoding in NumPy: what the package's tensors are compared with."""

import math

import numpy as np
import paddle

from oldrestore.color.bins import AB_BINS
from oldrestore.color.decoding_paddle import annealed_mean_nchw
from oldrestore.color.encoding_paddle import SoftEncoder
from oldrestore.color.grid_paddle import GRID_AB
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
    """Index of the square of the grid whose centre is nearest to each colour (..., 2) in a and in b."""
    return np.abs(np.asarray(ab)[..., None, :] - GRID_AB).sum(axis=-1).argmin(axis=-1)


def to_hue_chroma(ab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hue in radians, 0..2 pi, and chroma in Lab units, each (...), of colours (..., 2)."""
    a, b = np.moveaxis(np.asarray(ab), -1, 0)
    return np.arctan2(b, a) % (2 * np.pi), np.hypot(a, b)


def window_histograms(ab: np.ndarray, window: int = 7, bins: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of hue and of chroma around each pixel of colours (H, W, 2), sharing each out between two bins."""
    height, width, _ = ab.shape
    hue_histogram, chroma_histogram = np.zeros((2, height, width, bins))
    for y in range(height):
        for x in range(width):
            total = count = 0.0
            for v in range(max(0, y - window // 2), min(height, y + window // 2 + 1)):
                for u in range(max(0, x - window // 2), min(width, x + window // 2 + 1)):
                    a, b = ab[v, u]
                    c = math.sqrt(a * a + b * b)
                    turn = math.atan2(b, a) / (2 * math.pi) % 1.0 * bins
                    low, share = math.floor(turn), turn - math.floor(turn)
                    hue_histogram[y, x, low % bins] += c * (1 - share)
                    hue_histogram[y, x, (low + 1) % bins] += c * share
                    place = min(c, CHROMA_LIMIT) / (CHROMA_LIMIT / (bins - 1))
                    low = min(math.floor(place), bins - 2)
                    chroma_histogram[y, x, low] += 1 - (place - low)
                    chroma_histogram[y, x, low + 1] += place - low
                    total, count = total + c, count + 1
            hue_histogram[y, x] = hue_histogram[y, x] / total if total > HUELESS * count else 1 / bins
            chroma_histogram[y, x] /= count
    return hue_histogram, chroma_histogram
