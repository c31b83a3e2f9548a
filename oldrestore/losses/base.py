"""What every loss is: a scalar of a prediction and a batch, which says what it reads and what it needs."""

from __future__ import annotations

from typing import Any, ClassVar

import paddle

from oldrestore.batch import Batch, Prediction


class Loss(paddle.nn.Layer):
    """A scalar to be minimised, in named terms.

    A subclass implements ``forward``; one with several terms overrides ``terms`` too, and its forward is
    their sum. Many share two settings. ``gray_threshold``: a photograph with no |a| or |b| above it (Lab units) is
    left out of the mean; None counts every photograph. ``annealed_mean``: see `PredictedColor`.

    Attributes
    ----------
    reads : frozenset of str
        The fields of ``Prediction`` it reads, such as {"logits"}. Known of the class, so that a loss and a
        network that do not fit are refused before anything is built. A loss whose reading depends on its settings
        sets this on the instance and has a class method ``reads_with(node)`` that tells it of the configuration's
        node, a mapping.
    needs : frozenset of str
        Names of the resources ``prepare`` must be given before training. A loss whose needs depend on its
        parameters sets this on the instance.
    """

    reads: ClassVar[frozenset[str]] = frozenset()
    needs: frozenset[str] = frozenset()

    def prepare(self, **resources: Any) -> None:
        """Receive, before training, what ``needs`` names.

        Known resources: ``prior``, the smoothed colour prior of the training photographs, float64 (313,), and
        ``prior_pixels``, the number of pixels that it was counted from.
        Those that a loss does not need are ignored.
        """
        missing = sorted(self.needs - resources.keys())
        if missing:
            raise TypeError(f"{type(self).__name__} cannot be prepared without {', '.join(missing)}")

    def at(self, iteration: int) -> None:
        """Go to an update: what changes in the course of training follows from its number alone.

        Learners call it before each update, so that a resumed run needs no state of the loss; validation sees the
        loss of the last update. Without a schedule in it, a loss is the same throughout.

        Parameters
        ----------
        iteration : int
            0 is the first.
        """

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Value of the loss, a float32 scalar (shape []) through which gradients flow."""
        raise NotImplementedError

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """Named scalars whose sum is the loss; each becomes a curve of its own."""
        return {"loss": self(prediction, batch)}
