"""Label smoothing: a share of each target's mass is given away, to all of the 313 bins or to those beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.config.values import checked
from oldrestore.losses.base import Positive


@checked
@dataclass(frozen=True)
class UniformSmoothing:
    """The target becomes (1 - share) target + share / 313.

    Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, *Rethinking the Inception Architecture for Computer Vision* (2016),
    section 7, with a share of 0.1.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.1


@checked
@dataclass(frozen=True)
class NeighbourSmoothing:
    """The target becomes (1 - share) target + share x the bins around the target's nearest bin.

    Label smoothing (Szegedy et al. 2016, section 7) that keeps to similar colours. What is given away goes to
    the bins whose centres are nearest to the centre of the bin that the true colour is in, that bin itself left
    out, with Gaussian weights: exp(-d^2 / (2 sigma^2)), normalised over them. Of equal distances the lower
    index comes first; 4 are at ten Lab units inside the gamut, and 8 are the whole ring. sigma is in Lab units.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.1
    neighbours: Annotated[int, Field(ge=1, lt=NUMBER_OF_BINS)] = 8
    sigma: Positive = 10.0

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """For each bin its neighbours, int64 (313, m), and their shares of 1, float32 (313, m)."""
        centres = AB_BINS.astype(np.float64)
        squared = ((centres[:, None] - centres[None]) ** 2).sum(axis=-1)
        np.fill_diagonal(squared, np.inf)
        indices = np.argsort(squared, axis=1, kind="stable")[:, : self.neighbours]
        nearest = np.take_along_axis(squared, indices, axis=1)
        # Relative to the nearest, so that with a small sigma not all of them underflow.
        weights = np.exp((nearest[:, :1] - nearest) / (2.0 * self.sigma**2))
        return indices, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
