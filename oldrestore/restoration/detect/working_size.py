"""Reduces photographs to the size at which a detector works, and enlarges its answer to the photograph's own."""

from __future__ import annotations

import numpy as np
from PIL import Image

from oldrestore.restoration.stages import Detection


def at_most(rgb_hw3: np.ndarray, size: int | None, reduced: float = 1) -> np.ndarray:
    """Reduce uint8 (H, W, 3) so that its shorter side is at most `size` / `reduced` pixels; a size of None never."""
    height, width = rgb_hw3.shape[:2]
    shorter = min(height, width)
    size = shorter if size is None else max(1, round(size / reduced))
    if shorter <= size:
        return rgb_hw3
    sides = max(1, round(width * size / shorter)), max(1, round(height * size / shorter))
    return np.asarray(Image.fromarray(rgb_hw3).resize(sides, Image.Resampling.BICUBIC))


def at_full_size(mask_hw: np.ndarray, confidence_hw: np.ndarray, shape: tuple[int, int]) -> Detection:
    """Enlarge a mask, bool (h, w), and its confidence, float32, to a photograph's height and width, bilinearly."""
    if mask_hw.shape == shape:
        return Detection(mask_hw, confidence_hw)
    mask = enlarged(mask_hw.astype(np.float32), shape) > 0.5
    return Detection(mask, np.clip(enlarged(confidence_hw, shape), 0.0, 1.0))


def enlarged(values_hw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize values (h, w) bilinearly; float32."""
    picture = Image.fromarray(np.ascontiguousarray(values_hw, dtype=np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))
