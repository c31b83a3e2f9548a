"""Photographs for tests of detectors: smooth ones, with a scratch whose place is known."""

import numpy as np
from scipy import ndimage


def smooth(seed: int, height: int, width: int, gray: bool = False) -> np.ndarray:
    """uint8 (height, width, 3): broad patches of middle tones, and a little noise."""
    rng = np.random.default_rng(seed)
    patches = ndimage.gaussian_filter(rng.normal(0, 1, (height, width, 3)), (20, 20, 0), mode="wrap")
    picture = 120 + 40 * patches / patches.std() + rng.normal(0, 2, (height, width, 3))
    if gray:
        picture = picture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def scratched(rgb: np.ndarray, level: int = 245, row: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The photograph with a level line two pixels wide over most of it, and the line's mask."""
    height, width = rgb.shape[:2]
    row = height // 2 if row is None else row
    mask = np.zeros((height, width), dtype=bool)
    mask[row : row + 2, width // 10 : -width // 10] = True
    return np.where(mask[..., None], np.uint8(level), rgb), mask
