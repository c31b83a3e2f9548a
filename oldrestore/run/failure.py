"""Says in one sentence why a run failed, and tells that apart from a defect of the program."""

from __future__ import annotations

from oldrestore import parallel
from oldrestore.data.loading.loader import lost_worker
from oldrestore.errors import UserError, sentence
from oldrestore.training.loop import DivergedError


def failure_in_words(error: BaseException) -> str | None:
    """Return why a run failed; None for a defect of ours, which is to be seen as what it is.

    Parameters
    ----------
    error : BaseException
        What ended the training.
    """
    # Before anything else: Paddle gives what is raised within a backward pass the type OSError, and a text of many
    # lines.
    if parallel.is_lost(error):
        return parallel.loss_in_words(error)
    if isinstance(error, DivergedError | UserError):
        return str(error)
    if isinstance(error, OSError):
        return sentence(error)
    return lost_worker(error)
