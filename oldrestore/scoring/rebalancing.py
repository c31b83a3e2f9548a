"""The prior that weighs the rebalanced AuC, as a protocol names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from oldrestore.color.bins import NUMBER_OF_BINS
from oldrestore.errors import UserError

LARGEST_FILE = 2**20  # bytes; 313 numbers are 2.6 kB


def rebalancing_prior(config: DictConfig, training: Callable[[], np.ndarray]) -> np.ndarray | None:
    """Return the prior of the rebalanced AuC; None for that of the photographs measured.

    Parameters
    ----------
    config : DictConfig
    training : callable
        Gives the smoothed prior of the run's training photographs.

    Raises
    ------
    UserError
        When the published prior is asked for and its file is not there, or holds something else.
    """
    which, path = config.evaluation.get("rebalancing", "measured"), config.evaluation.get("prior_file")
    if which == "published" or path is not None:
        return read_prior(path)
    return training() if which == "training" else None


def read_prior(path: str | None) -> np.ndarray:
    """Read 313 probabilities, in the order of the bins, from a ``.npy`` file or a text of numbers.

    Raises
    ------
    UserError
        When there is no file, or it holds something else.
    """
    if path is None:
        raise UserError(
            "the rebalanced AuC of this protocol is weighed by the published prior of ImageNet, which is not shipped: "
            "give evaluation.prior_file=FILE (the authors' prior_probs.npy), or take evaluation.rebalancing=training "
            "or measured"
        )
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ValueError("it is too large")
        found = np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.loadtxt(file, delimiter=None)
        prior = np.asarray(found, dtype=np.float64).ravel()
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"evaluation.prior_file={path} cannot be read: {' '.join(str(error).split())}") from None
    if prior.shape != (NUMBER_OF_BINS,) or not np.isfinite(prior).all() or not (prior > 0).all():
        raise UserError(f"evaluation.prior_file={path} must hold {NUMBER_OF_BINS} numbers above 0, one for each ab bin")
    return prior / prior.sum()
