"""Fills holes like a membrane stretched over their borders: never beyond these, so safe in large holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

from oldrestore.config.values import checked
from oldrestore.restoration.fill.pieces import fill_in_pieces

MARGIN = 2
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@checked
@dataclass(frozen=True)
class Harmonic:
    """Solution of Laplace's equation in each hole: every pixel is the mean of its four neighbours.

    At the photograph's edge, where a pixel has fewer neighbours, it is the mean of those.
    """

    # Unknown pixels solved at once; larger holes start at a coarser scale.
    largest: Annotated[int, Field(ge=64, le=1_000_000)] = 50_000

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill."""
        return fill_in_pieces(rgb_hw3, mask_hw, solve_laplace, MARGIN, self.largest)


def solve_laplace(picture_hwc: np.ndarray, hole_hw: np.ndarray) -> np.ndarray:
    """Solve Laplace's equation in the holes of a picture, float (H, W, C), from its known pixels; float32 (H, W, C).

    Each connected part (4 neighbours) of the holes must touch a known pixel.
    """
    rows, columns = np.nonzero(hole_hw)
    count = len(rows)
    solved = picture_hwc.astype(np.float32)
    if not count:
        return solved
    number = np.full(hole_hw.shape, -1)
    number[rows, columns] = np.arange(count)
    degree = np.zeros(count)
    right = np.zeros((count, picture_hwc.shape[2]))
    entries = []
    for down, across in NEIGHBOURS:
        y, x = rows + down, columns + across
        within = np.nonzero((y >= 0) & (y < hole_hw.shape[0]) & (x >= 0) & (x < hole_hw.shape[1]))[0]
        beside = number[y[within], x[within]]
        degree[within] += 1
        entries.append((within[beside >= 0], beside[beside >= 0]))
        known = within[beside < 0]
        right[known] += picture_hwc[y[known], x[known]]
    i, j = (np.concatenate(part) for part in zip(*entries, strict=True))
    i, j = np.concatenate([i, np.arange(count)]), np.concatenate([j, np.arange(count)])
    laplacian = coo_matrix((np.concatenate([np.full(len(i) - count, -1.0), degree]), (i, j))).tocsc()
    factors = splu(laplacian, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    solved[rows, columns] = factors.solve(right)
    return solved
