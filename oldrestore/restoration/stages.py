"""What each stage is called with and returns: detectors of damage, fillers of holes, and enhancers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Detection:
    """Where a photograph is damaged."""

    mask_hw: np.ndarray  # bool (H, W), True where structure is lost and must be filled
    # float32 (H, W), 0..1: how sure the detector is that a pixel is lost, on a scale of its own.
    confidence_hw: np.ndarray

    def __post_init__(self) -> None:
        assert self.mask_hw.ndim == 2 and self.mask_hw.shape == self.confidence_hw.shape
        assert self.mask_hw.dtype == np.bool_ and self.confidence_hw.dtype == np.float32


@runtime_checkable
class Detector(Protocol):
    """Finds damage in a photograph of any size, gray (three equal channels) or in colour."""

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Find damage in uint8 sRGB (H, W, 3), which does not change."""


@runtime_checkable
class Filler(Protocol):
    """Fills holes in a photograph of any size, gray (three equal channels) or in colour."""

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Return a copy of uint8 sRGB (H, W, 3), filled where the mask, bool (H, W), is True.

        Every other pixel is equal bit for bit. Values in holes must not matter.
        """


@runtime_checkable
class Enhancer(Protocol):
    """Repairs wear all over a photograph: noise, fading, a cast, low contrast. A gray photograph stays gray."""

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Return uint8 sRGB (H, W, 3): a new array, or `rgb_hw3` itself, which does not change, if it is sound."""


def is_gray(rgb_hw3: np.ndarray) -> bool:
    """Whether the three channels are equal everywhere."""
    return bool(np.array_equal(rgb_hw3[..., 0], rgb_hw3[..., 1]) and np.array_equal(rgb_hw3[..., 0], rgb_hw3[..., 2]))
