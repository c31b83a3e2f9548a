"""What every detector of damage is: a photograph in, a mask and its confidence out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Detection:
    """Where a photograph is damaged, and how sure that is.

    Attributes
    ----------
    mask_hw : np.ndarray
        bool (H, W), True where structure is lost: what is to be filled.
    confidence_hw : np.ndarray
        float32 (H, W), 0..1: how sure the detector is that a pixel is lost. A detector's own scale, not a probability
        unless the detector says so.
    """

    mask_hw: np.ndarray
    confidence_hw: np.ndarray

    def __post_init__(self) -> None:
        if self.mask_hw.ndim != 2 or self.mask_hw.shape != self.confidence_hw.shape:
            raise ValueError(
                f"a mask and its confidence have the photograph's height and width: "
                f"{self.mask_hw.shape} and {self.confidence_hw.shape} do not agree"
            )
        if self.mask_hw.dtype != np.bool_ or self.confidence_hw.dtype != np.float32:
            raise ValueError(
                f"a mask is bool and its confidence float32, not {self.mask_hw.dtype} and {self.confidence_hw.dtype}"
            )


@runtime_checkable
class Detector(Protocol):
    """Finds damage in a photograph of any size, gray (three equal channels) or in colour."""

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Find damage.

        Parameters
        ----------
        rgb_hw3 : np.ndarray
            uint8 sRGB (H, W, 3), 0..255; left as it is.

        Returns
        -------
        Detection
            Of the photograph's height and width.
        """
