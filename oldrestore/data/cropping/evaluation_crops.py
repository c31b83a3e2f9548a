"""Cuts photographs to what a protocol measures colour on, independently of the data set's own crops."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from oldrestore.config.values import checked
from oldrestore.data.cropping.crops import central_square, cut_strip, width_and_height

Filter = Literal["bicubic", "bilinear", "lanczos", "box"]


class EvaluationCrops:
    """Resizes a photograph with the filter that a protocol names, and takes the central square.

    Parameters
    ----------
    size : int
        Side of the square, pixels.
    fit : {"shorter_side", "squash"}
        Resize so that the shorter side has this length, or to the square, ignoring the aspect.
    filter : {"bicubic", "bilinear", "lanczos", "box"}
        Pillow's, each of which averages over what falls into a pixel when it shrinks.
    """

    @checked
    def __init__(
        self,
        size: int,
        fit: Literal["shorter_side", "squash"] = "shorter_side",
        filter: Filter = "bicubic",
    ):
        self.evaluation_size = size
        self.fit = fit
        self.filter = Image.Resampling[filter.upper()]

    def evaluation(self, rgb: np.ndarray) -> np.ndarray:
        """Cut one photograph.

        Parameters
        ----------
        rgb : ndarray
            uint8 (H, W, 3).

        Returns
        -------
        ndarray
            uint8 (size, size, 3), contiguous.
        """
        size = self.evaluation_size
        if self.fit == "squash":
            return self._resized(rgb, size, size)
        rgb = cut_strip(rgb)
        return central_square(self._resized(rgb, *width_and_height(*rgb.shape[:2], size)), size)

    def _resized(self, rgb: np.ndarray, width: int, height: int) -> np.ndarray:
        if rgb.shape[:2] == (height, width):
            return np.ascontiguousarray(rgb)
        return np.array(Image.fromarray(np.ascontiguousarray(rgb)).resize((width, height), self.filter))
