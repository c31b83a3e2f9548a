"""A figure of a set of photographs as a function of sums over them: what every resampling here works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Scored:
    """What a figure is computed from, photograph by photograph.

    `of_sums` maps sums (..., k) to figures (...), whatever the scale of the sums. `singles_n` is each photograph's own
    value, where `of_sums` of the photograph alone says nothing of it.
    """

    columns_nk: np.ndarray  # float64: what each of n photographs adds to each of k sums
    of_sums: Callable[[np.ndarray], np.ndarray]
    singles_n: np.ndarray | None = None

    @property
    def n(self) -> int:
        """Number of photographs."""
        return len(self.columns_nk)

    @cached_property
    def value(self) -> float:
        """The figure of the whole set; NaN if there is none."""
        return float(self.of_sums(self.columns_nk.sum(axis=0)))

    @property
    def singles(self) -> np.ndarray:
        """Each photograph's own value, float64 (n,); NaN where it counts for nothing."""
        return self.of_sums(self.columns_nk) if self.singles_n is None else self.singles_n

    @cached_property
    def left_out(self) -> np.ndarray:
        """Figure without each photograph in turn, float64 (n,): the jackknife."""
        with np.errstate(invalid="ignore"):  # of values that are not finite there is no figure, and no warning
            return self.of_sums(self.columns_nk.sum(axis=0) - self.columns_nk)

    @cached_property
    def contributions(self) -> np.ndarray:
        """What each photograph contributes, float64 (n,): numbers whose mean is the figure.

        The jackknife's pseudo-values (J. W. Tukey, Bias and confidence in not quite large samples, Annals of
        Mathematical Statistics 29, 1958), moved so that their mean is the figure itself. Of a plain mean they are the
        scores.
        """
        if self.n < 2:
            return np.full(self.n, self.value)
        return self.value + (self.n - 1) * (self.left_out.mean() - self.left_out)


def weighted_mean(values_n: np.ndarray, weights_n: np.ndarray | None = None) -> Scored:
    """Figure sum(weight * value) / sum(weight), as of metrics that pool pixels; a plain mean without weights.

    A photograph of weight 0 counts for nothing, whatever its value.
    """
    values = np.asarray(values_n, np.float64)
    weights = np.ones_like(values) if weights_n is None else np.asarray(weights_n, np.float64)
    if values.ndim != 1 or values.shape != weights.shape or len(values) == 0:
        raise ValueError(f"values {values.shape} and weights {weights.shape} are not one number for each photograph")
    if (weights < 0).any():
        raise ValueError("a weight is below 0")
    weighted = np.where(weights == 0, 0.0, weights * np.where(weights == 0, 0.0, values))
    return Scored(np.stack([weighted, weights], axis=1), _ratio)


def gap_share(ours_n: np.ndarray, original_n: np.ndarray, gray_n: np.ndarray) -> Scored:
    """Share of the gap between gray and original that is closed: (ours - gray) / (original - gray), of means.

    NaN where originals and gray photographs do equally well: there is no gap then. A single photograph's own value is
    that of `ours_n`.
    """
    columns = [np.asarray(c, np.float64) for c in (ours_n, original_n, gray_n)]
    return Scored(np.stack(columns, axis=1), _gap, columns[0])


def floor_gap_share(ours_n: np.ndarray, original_n: np.ndarray, *floors_n: np.ndarray) -> Scored:
    """Share of the gap between the better of several floors and original that is closed.

    (ours - floor) / (original - floor), where the floor is the largest of their means: in each resample anew, so that
    intervals know that the better one was not known beforehand. NaN where originals do no better than it. A single
    photograph's own value is that of `ours_n`.
    """
    columns = [np.asarray(c, np.float64) for c in (ours_n, original_n, *floors_n)]
    return Scored(np.stack(columns, axis=1), _gap_from_floor, columns[0])


def _gap_from_floor(sums: np.ndarray) -> np.ndarray:
    gap = _gap(np.stack([sums[..., 0], sums[..., 1], sums[..., 2:].max(axis=-1)], axis=-1))
    return np.where(sums[..., 1] > sums[..., 2:].max(axis=-1), gap, np.nan)


def _ratio(sums: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def _gap(sums: np.ndarray) -> np.ndarray:
    ours, original, gray = sums[..., 0], sums[..., 1], sums[..., 2]
    # Sums of probabilities round: what is that near to nothing is nothing.
    gap = original - gray
    none = np.abs(gap) <= 1e-12 * (np.abs(original) + np.abs(gray))
    return np.where(none, np.nan, (ours - gray) / np.where(none, 1.0, gap))
