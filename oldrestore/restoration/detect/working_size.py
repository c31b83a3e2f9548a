"""The size at which a detector looks at a photograph, and the way back to the photograph's own."""

from __future__ import annotations

import numpy as np
from PIL import Image

from oldrestore.restoration.detect.base import Detection


def at_most(rgb_hw3: np.ndarray, size: int | None) -> np.ndarray:
    """Make a photograph smaller so that its shorter side is `size` pixels; a smaller one stays as it is.

    Parameters
    ----------
    rgb_hw3 : np.ndarray
        uint8 (H, W, 3).
    size : int or None
        None leaves every photograph as it is.
    """
    height, width = rgb_hw3.shape[:2]
    shorter = min(height, width)
    if size is None or shorter <= size:
        return rgb_hw3
    sides = max(1, round(width * size / shorter)), max(1, round(height * size / shorter))
    return np.asarray(Image.fromarray(rgb_hw3).resize(sides, Image.Resampling.BICUBIC))


def at_full_size(mask_hw: np.ndarray, confidence_hw: np.ndarray, shape: tuple[int, int]) -> Detection:
    """Bring a mask and its confidence to the photograph's own size, bilinearly.

    Parameters
    ----------
    mask_hw : np.ndarray
        bool (h, w).
    confidence_hw : np.ndarray
        float32 (h, w), 0..1.
    shape : (int, int)
        Height and width of the photograph.
    """
    if mask_hw.shape == shape:
        return Detection(mask_hw, confidence_hw)
    mask = enlarged(mask_hw.astype(np.float32), shape) > 0.5
    return Detection(mask, np.clip(enlarged(confidence_hw, shape), 0.0, 1.0))


def enlarged(values_hw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring values (h, w) to another height and width, bilinearly; float32."""
    picture = Image.fromarray(np.ascontiguousarray(values_hw, dtype=np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))
