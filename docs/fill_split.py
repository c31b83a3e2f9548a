"""Finds out by measurement up to which size a hole is better filled by one method than by another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.restoration.fill.holes import find_holes
from oldrestore.restoration.fill.split import Measure
from oldrestore.restoration.stages import Filler

HIGHEST_PSNR = 60.0  # dB; a hole that is filled without any error would have infinitely many


@dataclass(frozen=True)
class FilledHole:
    """One hole, and how far each method's filling is from the truth.

    Attributes
    ----------
    photograph : int
        Number of its photograph.
    depth, area : float
        Its sizes; see `oldrestore.restoration.fill.holes.Hole`.
    squared_error : dict of str to float
        By method: the sum over its pixels of the squared error, mean of the channels, 0..255 squared.
    """

    photograph: int
    depth: float
    area: float
    squared_error: dict[str, float]


def fill_and_score(damaged: Iterable[tuple[np.ndarray, np.ndarray]], fillers: Mapping[str, Filler]) -> list[FilledHole]:
    """Fill the holes of photographs by several methods and score each hole.

    Parameters
    ----------
    damaged : iterable of (rgb_hw3, mask_hw)
        The photograph as it was, uint8, and where its holes are, bool; the methods do not see what was there.
    fillers : mapping of str to Filler
    """
    scored = []
    for number, (rgb, mask) in enumerate(damaged):
        known = np.where(mask[..., None], 0, rgb).astype(np.uint8)
        labels, holes = find_holes(mask)
        inside = labels[mask]
        errors = {}
        for name, fill in fillers.items():
            squared = ((fill(known, mask)[mask].astype(np.float64) - rgb[mask]) ** 2).mean(axis=-1)
            errors[name] = np.bincount(inside, weights=squared, minlength=len(holes) + 1)
        scored += [
            FilledHole(number, hole.depth, hole.area, {name: float(e[hole.label]) for name, e in errors.items()})
            for hole in holes
        ]
    return scored


def psnr_of_split(holes: Sequence[FilledHole], small: str, large: str, largest: float, measure: Measure) -> float:
    """PSNR in the holes when those up to a size are filled by one method and the rest by another.

    Parameters
    ----------
    small, large : str
        The methods; one and the same for both is that method alone.
    largest : float
        Size of the largest small hole, pixels.

    Returns
    -------
    float
        dB, the mean over holes: were pixels to count the same, the largest holes alone would decide.
    """
    scores = []
    for hole in holes:
        size = hole.depth if measure == "depth" else hole.area
        squared = hole.squared_error[small if size <= largest else large] / hole.area
        scores.append(min(HIGHEST_PSNR, 10 * np.log10(255.0**2 / max(squared, 1e-9))))
    return float(np.mean(scores))


def best_split(
    holes: Sequence[FilledHole], small: str, large: str, measure: Measure, sizes: Sequence[float]
) -> tuple[float, float]:
    """Return the size among `sizes` whose split has the highest PSNR, and that PSNR; the smallest of equals."""
    scores = [psnr_of_split(holes, small, large, size, measure) for size in sizes]
    best = int(np.argmax(scores))
    return sizes[best], scores[best]
