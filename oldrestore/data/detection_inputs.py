"""Inputs of detectors of damage: photographs damaged anew, some of them in black and white."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damaged, Severity, Share
from oldrestore.data.damage.inputs import DamagedPhotos
from oldrestore.data.damage.mixing import luma


class DetectionInputs(DamagedPhotos):
    """Damaged photographs as `DamagedPhotos` makes them, a share of them without colour.

    Most old photographs have none. A detector that has only seen colour takes gray for a sign of damage, which is
    gray or brown for the most part.

    Parameters
    ----------
    lowest, highest : float
        Range of severities, 0..1.
    gray : float
        Share of photographs that lose their colour, after the damage.
    """

    @checked
    def __init__(self, damage: Any, lowest: Severity = 0.25, highest: Severity = 1.0, gray: Share = 0.3) -> None:
        super().__init__(damage, lowest, highest, fill=None)
        self.gray = gray

    def draw(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Damage one photograph, uint8 (H, W, 3), with a severity of its own."""
        drawn = float(rng.random())
        damaged = super().draw(rgb_hw3, rng)
        if drawn >= self.gray:
            return damaged
        gray_hw1 = luma(damaged.rgb_hw3)[..., None].astype(np.uint8)
        return replace(damaged, rgb_hw3=np.repeat(gray_hw1, 3, axis=2))
