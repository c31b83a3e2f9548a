"""The colour prior of a split: how often each of the 313 ab bins occurs in its photographs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from oldrestore.color.bins import NUMBER_OF_BINS
from oldrestore.color.lab import rgb_to_lab
from oldrestore.color.prior import count_bins, smooth_prior
from oldrestore.data.cache import cache_directory
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.loader import photos_at_training_size
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError
from oldrestore.files import whole_file

PRIOR_VERSION = 1
"""To be raised when counting changes, so that cached counts are forgotten."""

GRAY_LIMIT = 5.0
"""A photograph with no |a| or |b| above this is taken for gray, as in the loss (Zhang et al. 2016)."""


def dataset_prior(split: Split, crops: Crops, sigma: float = 5.0) -> np.ndarray:
    """Return the smoothed colour prior of a split.

    Parameters
    ----------
    split : Split
        Photographs, usually the training split: a prior belongs to what is trained on.
    crops : Crops
        Only the resizing to training size matters.
    sigma : float
        Of the Gaussian that smooths over ab, in Lab units.

    Returns
    -------
    numpy.ndarray
        float64 (313,), sums to 1, in the order of `oldrestore.color.bins.AB_BINS`.

    Raises
    ------
    UserError
        When every photograph is gray, or one can no longer be read.
    """
    counts = color_counts(split, crops)
    return smooth_prior(counts / counts.sum(), sigma)


def color_counts(split: Split, crops: Crops) -> np.ndarray:
    """Count the pixels of a split in each ab bin.

    All pixels of the whole photographs at training size are counted, not random crops: the count is
    exact and needs no seed. Gray photographs are skipped. Counts are cached under `cache_directory` by the
    split's fingerprint and the resizing, so that another sigma costs nothing.

    Returns
    -------
    numpy.ndarray
        float64 (313,), whole numbers.

    Raises
    ------
    UserError
        When every photograph is gray, or one can no longer be read.
    """
    path = _cache_path(split, crops)
    counts = _load(path)
    if counts is None:
        counts = np.zeros(NUMBER_OF_BINS)
        for rgb in photos_at_training_size(split, crops):
            ab = rgb_to_lab(rgb)[..., 1:]
            if np.abs(ab).max() > GRAY_LIMIT:
                counts += count_bins(ab)
        if not counts.any():
            raise UserError(
                f"all {len(split.photos)} photographs of the split {split.name!r} of {split.source} are "
                "gray, so there is no colour to learn; give photographs in colour"
            )
        _save(path, counts)
    return counts


def _cache_path(split: Split, crops: Crops) -> Path:
    key = json.dumps([PRIOR_VERSION, split.fingerprint, crops.describe_resizing()], sort_keys=True)
    return cache_directory() / "priors" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def _load(path: Path) -> np.ndarray | None:
    try:
        # Opened here, because numpy leaves a file open that turns out to be no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            counts = stored["counts"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = counts.shape == (NUMBER_OF_BINS,) and counts.dtype == np.float64
    return counts if whole and np.isfinite(counts).all() and counts.min() >= 0 and counts.any() else None


def _save(path: Path, counts: np.ndarray) -> None:
    """Write the counts in one step; a cache that cannot be written only costs time."""
    with contextlib.suppress(OSError), whole_file(path) as neighbour, neighbour.open("wb") as file:
        np.savez(file, counts=counts)
