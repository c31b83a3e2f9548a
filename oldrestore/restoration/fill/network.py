"""Fills holes by a restoring network, each in the context of what lies around it."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.restoration.fill.holes import find_holes
from oldrestore.restoration.network_input import require_restorer, restore_piece

LEAST_CONTEXT = 32  # pixels around the box of a hole


class NetworkFiller:
    """A network such as `oldrestore.models.sagan.SaganRestorer`, hole by hole.

    A hole is cut out with what lies around it. What is larger than the network is to see is made smaller first, so
    that the inside of a very large hole is less sharp than what surrounds it.

    Parameters
    ----------
    network : nn.Layer
        In evaluation mode; the pipeline gives it.
    size : int
        Longest side, in pixels, that the network sees: about what it was trained at, or some times that.
    context : float
        How much is seen on each side of a hole, as a share of the longer side of its box.
    """

    @checked
    def __init__(
        self,
        network: Any,
        size: Annotated[int, Field(ge=64, le=1024)] = 256,
        context: Annotated[float, Field(ge=0, le=4)] = 0.5,
    ) -> None:
        require_restorer(network, "filling holes")
        self.network = network
        self.size = size
        self.context = context

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Fill; see `oldrestore.restoration.fill.base.Filler`."""
        filled = rgb_hw3.copy()
        if mask_hw.all():
            filled[:] = 128
            return filled
        gray = bool((rgb_hw3[~mask_hw] == rgb_hw3[~mask_hw][:, :1]).all())
        labels, holes = find_holes(mask_hw)
        for hole in holes:
            longer = max(hole.rows.stop - hole.rows.start, hole.columns.stop - hole.columns.start)
            box = hole.box(max(LEAST_CONTEXT, round(self.context * longer)))
            inside = labels[box] == hole.label
            values = self._predict(rgb_hw3[box], mask_hw[box])[inside]
            if gray:
                values = values.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
            filled[box][inside] = np.round(np.clip(values, 0, 255)).astype(np.uint8)
        return filled

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
        restored = restore_piece(self.network, small, share < 0.5)  # half of it known: known
        return cv2.resize(restored, (width, height), interpolation=cv2.INTER_CUBIC)
