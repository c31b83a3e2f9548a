"""Streams of training batches, and whether two are the same; for the tests of this folder."""

import numpy as np

from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.loader import training_loader
from oldrestore.data.sources.source import Split


def batches(split: Split, crops: Crops, **options) -> list[tuple[np.ndarray, tuple[str, ...]]]:
    """Batches of 4 from seed 3, six by default: uint8 (4, crop, crop, 3) and names."""
    arguments = {"batch_size": 4, "seed": 3, "iterations": 6} | options
    return [(rgb.numpy(), names) for rgb, names in training_loader(split, crops, **arguments)]


def assert_same(one: list, other: list) -> None:
    assert len(one) == len(other)
    for (rgb, names), (other_rgb, other_names) in zip(one, other, strict=True):
        assert names == other_names
        np.testing.assert_array_equal(rgb, other_rgb)
