"""The colour prior of a split: how often each of the 313 ab bins occurs in its photographs; counted, kept, drawn."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from oldrestore.color.bins import AB_BINS, GRID_STEP, NUMBER_OF_BINS
from oldrestore.color.lab import lab_to_rgb, rgb_to_lab
from oldrestore.color.prior import count_bins, smooth_prior
from oldrestore.data.cache import cache_directory
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.loader import photos_at_training_size
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError, in_words
from oldrestore.files import whole_file

PRIOR_VERSION = 1
"""To be raised when counting changes, so that cached counts are forgotten."""

GRAY_LIMIT = 5.0
"""A photograph with no |a| or |b| above this is taken for gray, as in the loss (Zhang et al. 2016)."""

FIGURE_FORMATS = (".png", ".pdf", ".svg")


def dataset_prior(split: Split, crops: Crops, sigma: float = 5.0) -> np.ndarray:
    """Return the smoothed colour prior of a split, usually the training split: a prior belongs to what is trained on.

    float64 (313,), sums to 1, in the order of `oldrestore.color.bins.AB_BINS`. Of `crops`, only the training size
    matters; `sigma` is that of the Gaussian that smooths over ab, in Lab units.
    """
    counts = color_counts(split, crops)
    return smooth_prior(counts / counts.sum(), sigma)


def color_counts(split: Split, crops: Crops) -> np.ndarray:
    """Count the pixels of a split in each ab bin, float64 (313,); `UserError` when every photograph is gray.

    All pixels of the whole photographs at training size are counted, not random crops: the count is
    exact and needs no seed. Gray photographs are skipped. Counts are cached under `cache_directory` by the
    split's fingerprint and the resizing, so that another sigma costs nothing.
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
        # A cache that cannot be written only costs time.
        with contextlib.suppress(OSError), whole_file(path) as neighbour, neighbour.open("wb") as file:
            np.savez(file, counts=counts)
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


def check_format(path: str | Path) -> None:
    """Refuse a file that is not of a kind that `plot_prior` writes, before anything is counted."""
    if Path(path).suffix.lower() not in FIGURE_FORMATS:
        raise UserError(f"'{path}' must end in .png, .pdf or .svg")


def plot_prior(prior: np.ndarray, path: str | Path, title: str) -> None:
    """Draw the 313 bins twice: in their own colours, and shaded by probability on a logarithmic scale.

    `title` says what the prior was counted in.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    check_format(path)
    figure, (colours, shades) = pyplot.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
    squares = {"marker": "s", "s": (4.6 * 72 / 27) ** 2 * 0.55, "linewidths": 0}
    b, a = AB_BINS[:, 1], AB_BINS[:, 0]
    lab = np.concatenate([np.full((len(AB_BINS), 1), 65.0), AB_BINS], axis=1)
    colours.scatter(b, a, c=lab_to_rgb(lab), **squares)
    colours.set_title("the 313 bins at L = 65")
    drawn = shades.scatter(b, a, c=np.log10(np.maximum(prior, 1e-12)), cmap="magma", **squares)
    shades.set_title(f"prior of {title}")
    for axes in (colours, shades):
        axes.set(xlabel="b", xlim=(-120, 110), ylim=(110, -100), aspect="equal")
        axes.set_xticks(range(-100, 101, 5 * GRID_STEP))
        axes.spines[["top", "right"]].set_visible(False)
    colours.set_ylabel("a")
    figure.colorbar(drawn, ax=shades, label="log10 probability")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise UserError(f"the plot cannot be written to '{path}': {in_words(error)}") from None
    finally:
        pyplot.close(figure)
