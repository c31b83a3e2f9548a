"""What every filler of holes is: a photograph and a mask in, the photograph with its holes filled out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Filler(Protocol):
    """Fills holes in a photograph of any size, gray (three equal channels) or in colour."""

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill holes.

        Parameters
        ----------
        rgb_hw3 : np.ndarray
            uint8 sRGB (H, W, 3), 0..255; left as it is. What stands in a hole must not matter.
        mask_hw : np.ndarray
            bool (H, W), True in holes.

        Returns
        -------
        np.ndarray
            uint8 sRGB (H, W, 3), a new array: every pixel outside of the mask is that of `rgb_hw3`, bit for bit.
        """
