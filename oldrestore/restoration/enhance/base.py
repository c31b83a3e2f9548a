"""What every step of the restore stage is: a photograph in, a photograph of the same size out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Enhancer(Protocol):
    """Mends what is worn all over a photograph: noise, fading, a cast, low contrast."""

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Mend.

        Parameters
        ----------
        rgb_hw3 : np.ndarray
            uint8 sRGB (H, W, 3), 0..255; left as it is. A gray photograph, three equal channels, stays gray.

        Returns
        -------
        np.ndarray
            uint8 sRGB (H, W, 3); may be `rgb_hw3` itself if there is nothing to mend.
        """


def is_gray(rgb_hw3: np.ndarray) -> bool:
    """Whether the three channels are equal everywhere."""
    return bool(np.array_equal(rgb_hw3[..., 0], rgb_hw3[..., 1]) and np.array_equal(rgb_hw3[..., 0], rgb_hw3[..., 2]))
