"""What every loss is: a scalar of a prediction and a batch, which says what it reads and what it needs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import paddle
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Loss(paddle.nn.Layer):
    """A scalar to be minimised, in named terms.

    A subclass implements ``forward``, or ``terms`` if it has several; the other follows. Many share two settings.
    ``gray_threshold``: a photograph with no |a| or |b| above it (Lab units) is left out of the mean, for one without
    colour teaches a colorizer only to be gray; None counts every photograph. ``annealed_mean``: see `PredictedColor`.

    A prediction may be smaller than the photographs, whose sides are then whole multiples of its height and width: the
    truth is every n-th pixel (`Batch.ab_at`). Everything is computed in float32, under mixed precision too.
    """

    # The fields of ``Prediction`` it reads, such as {"logits"}. Known of the class, so that a loss and a network that
    # do not fit are refused before anything is built. A loss whose reading depends on its settings sets this on the
    # instance and has a class method ``reads_with(node)`` that tells it of the configuration's node, a mapping.
    reads: ClassVar[frozenset[str]] = frozenset()
    # Resources that ``prepare`` must be given before training; a loss may set this on the instance, too.
    needs: frozenset[str] = frozenset()

    def __init__(self, gray_threshold: float | None = None) -> None:
        super().__init__()
        self.gray_threshold = gray_threshold

    def prepare(self, **resources: Any) -> None:
        """Receive, before training, what ``needs`` names.

        Known resources: ``prior``, the smoothed colour prior of the training photographs, float64 (313,);
        ``prior_pixels``, the number of pixels that it was counted from; ``labels``, the ImageNet class of each
        photograph of training and validation that has one, by its name. Those that a loss does not need are ignored.
        """
        missing = sorted(self.needs - resources.keys())
        if missing:
            raise TypeError(f"{type(self).__name__} cannot be prepared without {', '.join(missing)}")

    def at(self, iteration: int) -> None:
        """Set the iteration (0 is the first), on which alone depends what changes during training.

        Learners call it before each update, so that a resumed run needs no state of the loss; validation sees the
        loss of the last update.
        """

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Value of the loss, a float32 scalar (shape []) through which gradients flow."""
        return self.terms(prediction, batch)["loss"]

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """The ``loss``, and other named scalars if it has several terms; each becomes a curve of its own."""
        return {"loss": self(prediction, batch)}


def has_colour(batch: Batch, gray_threshold: float) -> paddle.Tensor:
    """Which photographs have an |a| or |b| above the threshold (Lab units) at full size, bool (B,)."""
    return batch.ab_b2hw.abs().flatten(start_axis=1).max(axis=1) > gray_threshold


def mean_where_colour(values_bhw: paddle.Tensor, batch: Batch, gray_threshold: float | None) -> paddle.Tensor:
    """Mean over the pixels of all photographs that have colour (all photographs if the threshold is None).

    float32, shape []; 0, with gradient 0, for a batch of gray photographs alone.
    """
    if gray_threshold is None:
        return values_bhw.mean()
    counted_b = has_colour(batch, gray_threshold).astype("float32")
    _, height, width = values_bhw.shape
    # At least one pixel, so that a batch of gray photographs gives 0 / 1 and not 0 / 0.
    pixels = parallel.divisor(counted_b.sum() * (height * width))
    return (values_bhw * counted_b.reshape([-1, 1, 1])).sum() / pixels
