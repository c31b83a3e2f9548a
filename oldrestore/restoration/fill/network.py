"""Fills holes with a restoring network, each in the context of its surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.holes import Hole, fill_each
from oldrestore.restoration.network_input import require_restorer, restore_piece

LEAST_CONTEXT = 32  # pixels around the box of a hole


@checked
@dataclass(frozen=True)
class NetworkFiller:
    """A network such as `oldrestore.models.sagan.SaganRestorer`, hole by hole.

    A hole is cut out with its surroundings, and reduced if it is larger than `size`: the inside of a very large hole
    is less sharp than its surroundings.
    """

    network: Any  # in evaluation mode; passed by the pipeline
    # Longest side at the network, pixels: about that of its training, or a few times that.
    size: Annotated[int, Field(ge=64, le=1024)] = 256
    # Surroundings on each side of a hole, as a share of the longer side of its box.
    context: Annotated[float, Field(ge=0, le=4)] = 0.5

    def __post_init__(self) -> None:
        require_restorer(self.network, "filling holes")

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill."""
        known = rgb_hw3[~mask_hw]
        gray = bool((known == known[:, :1]).all())

        def fill(filled: np.ndarray, hole: Hole, labels: np.ndarray) -> None:
            longer = max(hole.rows.stop - hole.rows.start, hole.columns.stop - hole.columns.start)
            box = hole.box(max(LEAST_CONTEXT, round(self.context * longer)))
            inside = labels[box] == hole.label
            values = self._predict(rgb_hw3[box], mask_hw[box])[inside]
            if gray:
                values = values.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
            filled[box][inside] = np.round(np.clip(values, 0, 255)).astype(np.uint8)

        return fill_each(rgb_hw3, mask_hw, fill)

    def _predict(self, rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
        scale = self.size / max(hole.shape)
        if scale >= 1:
            return restore_piece(self.network, rgb, hole)
        height, width = hole.shape
        sides = max(1, round(width * scale)), max(1, round(height * scale))
        known = (~hole).astype(np.float32)
        share = cv2.resize(known, sides, interpolation=cv2.INTER_AREA)
        total = cv2.resize(rgb * known[..., None], sides, interpolation=cv2.INTER_AREA)
        small = np.round(total / np.maximum(share, 1e-6)[..., None]).clip(0, 255).astype(np.uint8)
        restored = restore_piece(self.network, small, share < 0.5)  # a pixel of which half is known counts as known
        return cv2.resize(restored, (width, height), interpolation=cv2.INTER_CUBIC)
