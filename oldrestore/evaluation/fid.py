"""Frechet distance between sets of features, from running means and covariances (Heusel et al. 2017)."""

from __future__ import annotations

import numpy as np


class FeatureStatistics:
    """Mean and covariance of features that come in batches; nothing but the two is kept.

    Batches are joined by the update of Chan, Golub and LeVeque (1983), in float64: the result does not depend on how
    they were cut, to rounding, and does not suffer where the mean is large beside the spread.

    Parameters
    ----------
    features : int
        Number of features, 2048 for Inception v3.

    Attributes
    ----------
    n : int
        Photographs so far.
    mean : ndarray
        float64 (features,).
    """

    def __init__(self, features: int) -> None:
        self.n = 0
        self.mean = np.zeros(features)
        self._scatter = np.zeros((features, features))

    def add(self, features_nf: np.ndarray) -> None:
        """Take in a batch, (N, features)."""
        batch = np.asarray(features_nf, dtype=np.float64)
        if batch.ndim != 2 or batch.shape[1] != self.mean.size:
            raise ValueError(f"features of shape {batch.shape} are not (N, {self.mean.size})")
        if not np.isfinite(batch).all():
            raise ValueError("a feature is not finite")
        count = len(batch)
        if count == 0:
            return
        own_mean = batch.mean(axis=0)
        centred = batch - own_mean
        shift = own_mean - self.mean
        total = self.n + count
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.n * count / total)
        self.mean = self.mean + shift * (count / total)
        self.n = total

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance, float64 (features, features); needs two photographs."""
        if self.n < 2:
            raise ValueError(f"a covariance needs at least two photographs, not {self.n}")
        return self._scatter / (self.n - 1)


def frechet_distance(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """Squared Frechet distance between two normal distributions (Dowson and Landau 1982).

    |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)). The last trace is the sum of the singular values of
    C1^(1/2) C2^(1/2), both roots by eigenvalues: no square root of a matrix that is not symmetric is taken, singular
    covariances (fewer photographs than features) need no term added to their diagonal, and nothing can be complex.

    Parameters
    ----------
    mean, other_mean : ndarray
        (F,).
    covariance, other_covariance : ndarray
        (F, F), symmetric, without negative eigenvalues but for rounding.

    Returns
    -------
    float
        0 and up; lower is more alike.
    """
    if mean.shape != other_mean.shape or covariance.shape != other_covariance.shape:
        raise ValueError(f"statistics of {mean.shape} and {other_mean.shape} features cannot be compared")
    roots = root(covariance) @ root(other_covariance)
    cross = float(np.linalg.svd(roots, compute_uv=False).sum())
    apart = float(((mean - other_mean) ** 2).sum())
    # Where the two are equal, rounding may end a little below 0.
    return max(0.0, apart + float(np.trace(covariance)) + float(np.trace(other_covariance)) - 2 * cross)


def root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric square root of a covariance; eigenvalues below 0, which are rounding, count as 0."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
