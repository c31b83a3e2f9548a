"""Random fields in whole numbers: smooth ones for blots, torn edges and uneven fading, rough ones for grain."""

from __future__ import annotations

import numpy as np

ONE = 4096  # value of a smooth field that stands for 1


def smooth_line(rng: np.random.Generator, count: int, spacing: float) -> np.ndarray:
    """Draw a smooth curve of values 0..1, float64 (count,): draws each `spacing` places, eased between them."""
    knots = rng.random(int((count - 1) / spacing) + 2 if count > 1 else 2)
    place = np.arange(count) / spacing
    left = np.minimum(np.floor(place).astype(np.int64), len(knots) - 2)
    t = place - left
    t = t * t * (3 - 2 * t)
    return knots[left] * (1 - t) + knots[left + 1] * t


def smooth_field(rng: np.random.Generator, height: int, width: int, cells: float, octaves: int = 3) -> np.ndarray:
    """Draw a smooth field with finer and finer detail (value noise in octaves), int32 (height, width), 0..`ONE`.

    The coarsest detail has `cells` along the shorter side; each octave doubles them and halves their weight. The number
    of draws follows from `cells`, `octaves` and the aspect, not from the size in pixels.
    """
    side = min(height, width)
    total, weights = np.zeros((height, width), dtype=np.int32), 0
    for octave in range(octaves):
        own_cells, weight = cells * 2**octave, 2 ** (octaves - 1 - octave)
        rows, columns = (int(own_cells * length / side) + 2 for length in (height, width))
        lattice = rng.integers(0, ONE + 1, (rows, columns)).astype(np.int32)
        wide = np.ascontiguousarray(_eased(lattice.T, width, own_cells / side).T)
        total += weight * _eased(wide, height, own_cells / side)
        weights += weight
    return total // weights


def _eased(lattice: np.ndarray, length: int, step: float) -> np.ndarray:
    """Interpolate along the first axis at ``length`` places, each `step` cells from the last."""
    place = np.arange(length) * step
    first = np.minimum(np.floor(place).astype(np.int64), len(lattice) - 2)
    t = place - first
    share = np.floor(t * t * (3 - 2 * t) * 256 + 0.5).astype(np.int32)[:, None]
    return (lattice[first] * (256 - share) + lattice[first + 1] * share + 128) >> 8


def bell(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a rough field that is close to normal, int16: sums of four bytes, mean 0, standard deviation 147.8.

    The variance of a byte is (256^2 - 1) / 12, and that of four is four times as much.
    """
    total = np.full(shape, -510, dtype=np.int16)
    for _ in range(4):
        total += rng.integers(0, 256, shape, dtype=np.uint8)
    return total
