"""Brings out detail in dark and bright places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.stages import is_gray


@checked
@dataclass(frozen=True)
class LocalContrast:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994) of the lightness.

    Colour stays. Not among the default steps: it changes a photograph's mood as well as its faults.
    """

    limit: Annotated[float, Field(ge=1, le=40)] = 2.0  # largest slope of a tile's curve
    places: Annotated[int, Field(ge=1, le=64)] = 8  # tiles along each side, each with a curve of its own
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5  # share of the equalised lightness in the result

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Raise local contrast."""
        if not self.strength or min(rgb_hw3.shape[:2]) < self.places:
            return rgb_hw3
        equalize = cv2.createCLAHE(clipLimit=self.limit, tileGridSize=(self.places, self.places)).apply
        if is_gray(rgb_hw3):
            return np.repeat(self._mixed(np.ascontiguousarray(rgb_hw3[..., 0]), equalize)[..., None], 3, axis=-1)
        lab = cv2.cvtColor(rgb_hw3, cv2.COLOR_RGB2Lab)
        lab[..., 0] = self._mixed(np.ascontiguousarray(lab[..., 0]), equalize)
        return cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)

    def _mixed(self, channel: np.ndarray, equalize) -> np.ndarray:
        return cv2.addWeighted(channel, 1.0 - self.strength, equalize(channel), self.strength, 0.0)
