"""Curves of designs: what was logged over iterations, as the mean over seeds and the band between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.comparison.designs import Design
from oldrestore.records.recorded import Curve

LOSSES = ("train/loss", "val/loss")
POINTS = 40  # of a curve that is longer: blocks of iterations are averaged
# Of a run as a whole, or of the machine: no result over iterations.
NOT_SHOWN = ("time/", "system/", "train/learning_rate", "judged/n", "judged/orig_", "judged/gray_")


@dataclass(frozen=True)
class Band:
    """One design's part of a `Series`; the arrays are (N,)."""

    design: int
    iterations: np.ndarray  # increasing; of averaged blocks, their last iteration
    mean: np.ndarray  # over the seeds that have the point; NaN, like the next two, if no seed is finite
    low: np.ndarray  # lowest seed
    high: np.ndarray  # highest seed
    seeds: np.ndarray  # number of seeds that have the point


@dataclass(frozen=True)
class Series:
    """One logged name over iterations."""

    name: str  # as logged: train/loss, val/auc
    block: int  # iterations that each point is the mean of; 1 if points are as logged
    bands: list[Band]  # of designs that have logged it

    @property
    def longest(self) -> int:
        """Number of points of the longest band."""
        return max((len(band.iterations) for band in self.bands), default=0)


def series_of(designs: Sequence[Design]) -> tuple[list[Series], list[Series]]:
    """Return the curves of the losses, and those of every other figure that was recorded more than once."""
    names = list(dict.fromkeys(name for design in designs for run in design.runs for name in run.curves))
    losses = [_series(name, designs) for name in LOSSES if name in names]
    others = []
    for name in names:
        # Terms of a loss (train/NAME) are in the run folder; a chart of all of them would be unreadable.
        if name in LOSSES or name.startswith((*NOT_SHOWN, "train/")) or name.endswith("_original"):
            continue
        series = _series(name, designs)
        if series.longest > 1:
            others.append(series)
    return [series for series in losses if series.longest > 0], others


def _series(name: str, designs: Sequence[Design]) -> Series:
    curves = [[run.curves[name] for run in design.runs if name in run.curves] for design in designs]
    last = max((int(curve.iterations[-1]) for runs in curves for curve in runs), default=0)
    longest = max((len(curve) for runs in curves for curve in runs), default=0)
    block = 1 if longest <= POINTS else max(1, -(-last // POINTS))
    bands = [_band(index, runs, block) for index, runs in enumerate(curves) if runs]
    return Series(name, block, bands)


def _band(design: int, curves: Sequence[Curve], block: int) -> Band:
    averaged = [_averaged(curve, block) for curve in curves]
    iterations = np.unique(np.concatenate([at for at, _ in averaged]))
    values_si = np.full((len(averaged), len(iterations)), np.nan)
    for row, (at, values) in zip(values_si, averaged, strict=True):
        row[np.searchsorted(iterations, at)] = values
    finite = np.isfinite(values_si)
    count = finite.sum(axis=0)
    measured = count > 0
    mean, low, high = (np.full(len(iterations), np.nan) for _ in range(3))
    mean[measured] = np.where(finite, values_si, 0.0).sum(axis=0)[measured] / count[measured]
    low[measured] = np.where(finite, values_si, np.inf).min(axis=0)[measured]
    high[measured] = np.where(finite, values_si, -np.inf).max(axis=0)[measured]
    return Band(design, iterations, mean, low, high, count.astype(np.int64))


def _averaged(curve: Curve, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean over each `block` iterations, placed at the block's end; a value that is not finite makes its block so."""
    if block == 1:
        at, first = np.unique(curve.iterations[::-1], return_index=True)  # the later of two lines counts
        return at, curve.values[::-1][first]
    # The first block is the iterations 1..block; a value at 0 was measured before any step.
    number = -(-curve.iterations // block)
    last = int(curve.iterations[-1])
    if last > block and 0 < last % block < block / 2:
        # The mean of a few iterations scatters more than the others, and would end the curve with a jump.
        number = np.minimum(number, last // block)
    blocks, inverse = np.unique(number, return_inverse=True)
    means = np.bincount(inverse, weights=curve.values) / np.bincount(inverse)
    at = np.minimum(blocks * block, last)
    at[-1] = last
    return at.astype(np.int64), means
