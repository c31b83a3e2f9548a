"""The stages that mend a photograph: detect, fill, restore. Colour comes after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.config.values import checked
from oldrestore.restoration.detect.base import Detector
from oldrestore.restoration.enhance.base import Enhancer
from oldrestore.restoration.fill.base import Filler

STAGES = ("detect", "fill", "restore", "colorize")


@dataclass(frozen=True)
class Mended:
    """What the stages made of a photograph; None where a stage did not run.

    Attributes
    ----------
    original : np.ndarray
        uint8 (H, W, 3).
    mask_hw : np.ndarray or None
        bool (H, W), True where structure is lost.
    filled : np.ndarray or None
        uint8 (H, W, 3), its holes filled.
    restored : np.ndarray or None
        uint8 (H, W, 3), after noise, fading and the like.
    """

    original: np.ndarray
    mask_hw: np.ndarray | None = None
    filled: np.ndarray | None = None
    restored: np.ndarray | None = None

    @property
    def structure(self) -> np.ndarray:
        """The photograph before its tones were changed."""
        return self.original if self.filled is None else self.filled

    @property
    def picture(self) -> np.ndarray:
        """What the last stage made."""
        return self.structure if self.restored is None else self.restored


class Pipeline:
    """Finds damage, fills it, and mends what is worn all over.

    Parameters
    ----------
    fill : Filler, optional
        Fills what is detected, or what a mask says.
    """

    @checked
    def __init__(
        self, detect: Detector | None = None, fill: Filler | None = None, restore: Sequence[Enhancer] = ()
    ) -> None:
        self.detect = detect
        self.fill = fill
        self.restore = tuple(restore)

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray | None = None) -> Mended:
        """Mend a photograph.

        Parameters
        ----------
        rgb_hw3 : np.ndarray
            uint8 sRGB (H, W, 3); left as it is.
        mask_hw : np.ndarray, optional
            bool (H, W), True where structure is lost; then nothing is detected.
        """
        if mask_hw is not None and mask_hw.shape != rgb_hw3.shape[:2]:
            raise ValueError(f"a mask of {mask_hw.shape} does not fit a photograph of {rgb_hw3.shape[:2]}")
        if mask_hw is None and self.detect is not None:
            mask_hw = self.detect(rgb_hw3).mask_hw
        filled = None
        if mask_hw is not None and self.fill is not None:
            filled = self.fill(rgb_hw3, mask_hw) if mask_hw.any() else rgb_hw3
        restored = None
        if self.restore:
            restored = rgb_hw3 if filled is None else filled
            for enhance in self.restore:
                restored = enhance(restored)
        return Mended(rgb_hw3, mask_hw, filled, restored)
