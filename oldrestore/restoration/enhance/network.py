"""Restores a whole photograph by a network that was trained on mixed damage."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.restoration.enhance.base import is_gray
from oldrestore.restoration.network_input import require_restorer, restore_piece
from oldrestore.restoration.tiling import tiles


class NetworkEnhancer:
    """A network that repaints every pixel (`SaganRestorer` with ``output: full``), tile by tile.

    Parameters
    ----------
    network : nn.Layer
        In evaluation mode; the pipeline gives it.
    tile : int
        Longest side of a tile, pixels.
    overlap : int
        What a tile sees of its neighbours, pixels.
    """

    @checked
    def __init__(
        self,
        network: Any,
        tile: Annotated[int, Field(ge=64, le=2048)] = 512,
        overlap: Annotated[int, Field(ge=0, le=256)] = 64,
    ) -> None:
        require_restorer(network, "the restore stage")
        if getattr(network, "output", "full") != "full":
            raise UserError(
                f"the restore stage needs a network that repaints every pixel: this {type(network).__name__} has "
                f"output '{network.output}' and would change nothing"
            )
        self.network = network
        self.tile = tile
        self.overlap = overlap

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Restore; see `oldrestore.restoration.enhance.base.Enhancer`."""
        gray = is_gray(rgb_hw3)
        restored = np.empty_like(rgb_hw3)
        for tile in tiles(*rgb_hw3.shape[:2], self.tile, self.overlap):
            piece = rgb_hw3[tile.seen]
            values = restore_piece(self.network, piece, np.zeros(piece.shape[:2], dtype=bool))[tile.within]
            if gray:
                values = values.mean(axis=-1, keepdims=True)
            restored[tile.kept] = np.round(np.clip(values, 0, 255))
        return restored
