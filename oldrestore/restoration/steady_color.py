"""Keeps the colour of films from flickering."""

from __future__ import annotations

import numpy as np


class SteadyColor:
    """Keeps colour from flickering: where lightness stays, `smoothing` (0..0.99) of the last frame's colour stays.

    Where lightness changes, in motion and at cuts, the new colour is used.
    """

    CHANGE = 4.0  # units of L at which the last colour counts for 1/e

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, L_hw: np.ndarray, ab_hw2: np.ndarray) -> np.ndarray:
        """Return the colour to show, float32 (H, W, 2), Lab units, for this frame's lightness and colour."""
        if not self.smoothing:
            return ab_hw2
        if self._last is not None and self._last[0].shape == L_hw.shape:
            last_L, last_ab = self._last
            stays = self.smoothing * np.exp(-(((L_hw - last_L) / self.CHANGE) ** 2))
            ab_hw2 = (ab_hw2 + stays[..., None] * (last_ab - ab_hw2)).astype(np.float32)
        self._last = L_hw, ab_hw2
        return ab_hw2
