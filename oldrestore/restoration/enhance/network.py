"""Restores a whole photograph with a network that was trained on mixed damage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.restoration.network_input import require_restorer, restore_piece
from oldrestore.restoration.stages import is_gray
from oldrestore.restoration.tiling import tiles


@checked
@dataclass(frozen=True)
class NetworkEnhancer:
    """A network that repaints every pixel (`SaganRestorer` with ``output: full``), tile by tile."""

    network: Any  # in evaluation mode; passed by the pipeline
    tile: Annotated[int, Field(ge=64, le=2048)] = 512  # longest side of a tile, pixels
    overlap: Annotated[int, Field(ge=0, le=256)] = 64  # how much a tile sees of its neighbours, pixels

    def __post_init__(self) -> None:
        require_restorer(self.network, "the restore stage")
        if getattr(self.network, "output", "full") != "full":
            raise UserError(
                f"the restore stage needs a network that repaints every pixel: this {type(self.network).__name__} has "
                f"output '{self.network.output}' and would change nothing"
            )

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Restore."""
        gray = is_gray(rgb_hw3)
        restored = np.empty_like(rgb_hw3)
        for tile in tiles(*rgb_hw3.shape[:2], self.tile, self.overlap):
            piece = rgb_hw3[tile.seen]
            values = restore_piece(self.network, piece, np.zeros(piece.shape[:2], dtype=bool))[tile.within]
            if gray:
                values = values.mean(axis=-1, keepdims=True)
            restored[tile.kept] = np.round(np.clip(values, 0, 255))
        return restored
