"""Photographs made for tests: coloured shapes on a gradient, different for every seed, as JPEG files."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def make_photograph(seed: int, size: int = 80) -> np.ndarray:
    """uint8 (size, size, 3): a gradient of two colours with five shapes in others."""
    rng = np.random.default_rng(seed)
    top, bottom = rng.integers(40, 216, (2, 3))
    ramp = np.linspace(0, 1, size)[:, None, None]
    picture = Image.fromarray(np.broadcast_to(top * (1 - ramp) + bottom * ramp, (size, size, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(5):
        x, y, r = rng.integers(0, size, 3)
        draw.ellipse([x - r / 4, y - r / 4, x + r / 4, y + r / 4], fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
    return np.asarray(picture)


def make_folder(folder: Path, train: int = 6, val: int = 3) -> Path:
    """Write ``train/CLASS/`` and ``val/CLASS/`` with numbered class folders, as a labelled set has them."""
    for split, count, first in (("train", train, 0), ("val", val, 1000)):
        for index in range(count):
            place = folder / split / str(index % 3)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(make_photograph(first + index)).save(place / f"{split}{index}.jpg", quality=95)
    return folder
