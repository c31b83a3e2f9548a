"""Fills holes from their borders inwards, with OpenCV: fast, and of even cost for any shape."""

from __future__ import annotations

from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.holes import find_holes

FLAGS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}


class OpenCV:
    """OpenCV's two inpainting methods.

    Parameters
    ----------
    method : {"telea", "navier_stokes"}
        Marching inwards with weighted means of what is known (Telea), or continuing lines of equal brightness
        (Bertalmio et al.).
    radius : float
        Pixels around a pixel that are looked at.

    References
    ----------
    Telea. An image inpainting technique based on the fast marching method. Journal of Graphics Tools 9(1), 2004.
    Bertalmio, Bertozzi, Sapiro. Navier-Stokes, fluid dynamics, and image and video inpainting. CVPR 2001.
    """

    @checked
    def __init__(
        self,
        method: Literal["telea", "navier_stokes"] = "navier_stokes",
        radius: Annotated[float, Field(ge=1, le=100)] = 3.0,
    ) -> None:
        self.method = method
        self.radius = radius

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill; see `oldrestore.restoration.fill.base.Filler`."""
        filled = rgb_hw3.copy()
        if mask_hw.all():
            filled[:] = 128
            return filled
        labels, holes = find_holes(mask_hw)
        for hole in holes:
            # In the box of a hole only: OpenCV goes through every pixel of the picture it is given.
            box = hole.box(round(2 * self.radius) + 2)
            piece, inside = np.ascontiguousarray(rgb_hw3[box]), labels[box] == hole.label
            unknown = np.ascontiguousarray(mask_hw[box]).astype(np.uint8)
            # OpenCV looks at what stands in holes here and there, which must not matter.
            piece[unknown > 0] = 0
            solved = cv2.inpaint(piece, unknown, self.radius, FLAGS[self.method])
            filled[box][inside] = solved[inside]
        return filled
