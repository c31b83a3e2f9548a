"""Blur in whole numbers: three running means one after the other come close to a Gaussian."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage

PASSES = 3
BAND = 32  # rows or columns at once: what fits a processor's cache
EDGE_PARTS = 256  # the outermost weights of a running mean are in 1/256


@checked
@dataclass
class Blur(Damage):
    """A photograph out of focus."""

    kind = "blur"
    sigma: Annotated[float, Field(gt=0, le=0.2)] = 0.012  # standard deviation at severity 1, of the shorter side

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        sigma = self.severity * self.sigma * min(rgb.shape[:2])
        for channel in range(3):
            blurred = blur_plane(rgb[..., channel].astype(np.int32) * 16, sigma)
            rgb[..., channel] = (blurred + 8) >> 4


def blur_plane(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Blur one plane, int32 (H, W) of magnitude below 2^20, by `sigma` pixels; edges are continued outward.

    Three running means with fractional ends (Gwosdek et al., 2011, "Theoretical foundations of Gaussian convolution by
    extended box filtering") have exactly the variance asked for, up to the rounding of their outermost weight.
    """
    radius, edge = extended_box(sigma * sigma / PASSES)
    if radius == 0 and edge == 0:
        return plane
    blurred = plane.copy()
    # Bands of columns, then of rows, each copied to lie together: memory stays small and is read in order.
    for left in range(0, plane.shape[1], BAND):
        band = np.ascontiguousarray(blurred[:, left : left + BAND])
        for _ in range(PASSES):
            band = _running_mean(band, radius, edge)
        blurred[:, left : left + BAND] = band
    for top in range(0, plane.shape[0], BAND):
        band = np.ascontiguousarray(blurred[top : top + BAND].T)
        for _ in range(PASSES):
            band = _running_mean(band, radius, edge)
        blurred[top : top + BAND] = band.T
    return blurred


def extended_box(variance: float) -> tuple[int, int]:
    """Radius, and outermost weight in 1/`EDGE_PARTS`, of a running mean with a variance.

    Weights are 1 up to `radius` to either side and f one further; their variance is
    (r (r + 1) (2 r + 1) / 3 + 2 f (r + 1)^2) / (2 r + 1 + 2 f).
    """
    radius = 0
    while (radius + 1) * (radius + 2) / 3 <= variance:  # the variance of a mean of radius + 1
        radius += 1
    length = 2 * radius + 1
    lacking = length * (variance - radius * (radius + 1) / 3)
    edge = lacking / (2 * ((radius + 1) * (radius + 1) - variance))
    return radius, round(edge * EDGE_PARTS)


def _running_mean(plane: np.ndarray, radius: int, edge: int) -> np.ndarray:
    """Mean down the columns; rounded to the nearest, half up."""
    height = plane.shape[0]
    reach = radius + 1
    padded = np.concatenate([np.repeat(plane[:1], reach, axis=0), plane, np.repeat(plane[-1:], reach, axis=0)])
    sums = np.zeros((len(padded) + 1, plane.shape[1]), dtype=np.int64)
    np.cumsum(padded, axis=0, out=sums[1:])
    window = sums[1 + 2 * radius + 1 : 1 + 2 * radius + 1 + height] - sums[1 : 1 + height]
    ends = padded[:height].astype(np.int64) + padded[2 * reach : 2 * reach + height]
    whole = (2 * radius + 1) * EDGE_PARTS + 2 * edge
    return ((window * EDGE_PARTS + ends * edge + whole // 2) // whole).astype(np.int32)
