"""Fills holes from their borders inwards, with OpenCV: fast, and of even cost for any shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.holes import Hole, fill_each

FLAGS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}


@checked
@dataclass(frozen=True)
class OpenCV:
    """OpenCV's two inpainting methods.

    ``telea`` marches inwards with weighted means of known pixels (Telea, *An image inpainting technique based on the
    fast marching method*, Journal of Graphics Tools 9(1), 2004), ``navier_stokes`` continues lines of equal brightness
    (Bertalmio, Bertozzi, Sapiro, *Navier-Stokes, fluid dynamics, and image and video inpainting*, CVPR 2001).
    """

    method: Literal["telea", "navier_stokes"] = "navier_stokes"
    radius: Annotated[float, Field(ge=1, le=100)] = 3.0  # of a pixel's neighbourhood, pixels

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill."""

        def fill(filled: np.ndarray, hole: Hole, labels: np.ndarray) -> None:
            box = hole.box(round(2 * self.radius) + 2)
            inside = labels[box] == hole.label
            # OpenCV reads values in holes here and there, which must not matter.
            piece = np.where(mask_hw[box][..., None], np.uint8(0), rgb_hw3[box])
            solved = cv2.inpaint(piece, mask_hw[box].astype(np.uint8), self.radius, FLAGS[self.method])
            filled[box][inside] = solved[inside]

        return fill_each(rgb_hw3, mask_hw, fill)
