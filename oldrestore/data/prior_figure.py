"""Plots a colour prior in the ab plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oldrestore.color.bins import AB_BINS, GRID_STEP
from oldrestore.color.lab import lab_to_rgb
from oldrestore.errors import UserError, in_words

FORMATS = (".png", ".pdf", ".svg")


def check_format(path: str | Path) -> None:
    """Refuse a file that is not of a kind that `plot_prior` writes, before anything is counted."""
    if Path(path).suffix.lower() not in FORMATS:
        raise UserError(f"'{path}' must end in .png, .pdf or .svg")


def plot_prior(prior: np.ndarray, path: str | Path, title: str) -> None:
    """Draw the 313 bins twice: in their own colours, and shaded by probability on a logarithmic scale.

    Parameters
    ----------
    prior : np.ndarray
        (313,), sums to 1.
    path : str or Path
        A ``.png``, ``.pdf`` or ``.svg`` file.
    title : str
        What the prior was counted in.
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
