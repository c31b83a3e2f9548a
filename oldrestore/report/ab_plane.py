"""Which colours photographs have and which are predicted: histograms over the ab plane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.color.lab import rgb_to_lab

REACH = 110.0  # Lab units; no colour of sRGB lies further out on either axis
STEP = 5.0


@dataclass(frozen=True)
class AbPlane:
    """Histograms over the ab plane."""

    edges: np.ndarray  # float64 (K + 1,), of the cells on both axes, Lab units
    truth: np.ndarray  # float64 (K, K), share of the originals' pixels by a and then by b; sums to 1
    predicted: list[np.ndarray | None]  # the same for each design, the mean over its runs
    # sum(min(truth, predicted)): 1 if the same colours are used as often, wherever in the photographs
    overlap: list[float | None]
    photographs: int


def edges() -> np.ndarray:
    """Edges of the cells, float64 (K + 1,)."""
    return np.arange(-REACH, REACH + STEP / 2, STEP)


def counts_of(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Count the pixels of uint8 (H, W, 3) sRGB pictures in each cell, float64 (K, K)."""
    at = edges()
    whole = np.zeros((len(at) - 1, len(at) - 1))
    for rgb in pictures:
        a, b = rgb_to_lab(rgb)[..., 1].ravel(), rgb_to_lab(rgb)[..., 2].ravel()
        whole += np.histogram2d(a, b, bins=(at, at))[0]
    return whole


def plane_of(truth: np.ndarray, counts: Sequence[Sequence[np.ndarray]], photographs: int) -> AbPlane:
    """Turn pixel counts, of the originals and of each design's runs, into shares."""
    share = truth / max(truth.sum(), 1.0)
    predicted = [np.mean([c / max(c.sum(), 1.0) for c in runs], axis=0) if runs else None for runs in counts]
    overlap = [None if one is None else float(np.minimum(one, share).sum()) for one in predicted]
    return AbPlane(edges(), share, predicted, overlap, photographs)
