"""Losses of restored photographs: weighted error within and outside the holes, and matched features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import paddle
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class KnownUnknownL1(Loss):
    """Mean absolute error of sRGB, weighted apart within the holes and outside.

    loss = known_weight * (mean over known pixels) + hole_weight * (mean over pixels in holes), after Liu et al.,
    *Image Inpainting for Irregular Holes Using Partial Convolutions* (2018), equation 1, who divide both sums by
    all pixels; here each is a mean of its own, so that the weights mean the same for thin and for thick holes.
    Either mean is 0 where it has no pixels.

    Parameters
    ----------
    known_weight, hole_weight : float
        1 and 6 in that paper.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"rgb"})

    @checked
    def __init__(self, known_weight: Weight = 1.0, hole_weight: Weight = 6.0) -> None:
        super().__init__()
        self.known_weight = known_weight
        self.hole_weight = hole_weight

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Value of the loss, float32 scalar."""
        return self.terms(prediction, batch)["loss"]

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """``loss``, and unweighted ``l1_known`` and ``l1_hole``, 0..1."""
        if batch.rgb_b3hw is None or batch.hole_b1hw is None:
            raise UserError("KnownUnknownL1 needs photographs with holes: take inputs=holes")
        with paddle.amp.auto_cast(enable=False):
            error_b1hw = (prediction.rgb.astype("float32") - batch.rgb_b3hw).abs().mean(axis=1, keepdim=True)
            known, hole = (_mean_where(error_b1hw, where) for where in (1.0 - batch.hole_b1hw, batch.hole_b1hw))
            loss = self.known_weight * known + self.hole_weight * hole
        return {"loss": loss, "l1_known": known, "l1_hole": hole}


def _mean_where(values: paddle.Tensor, where: paddle.Tensor) -> paddle.Tensor:
    return (values * where).sum() / parallel.divisor(where.sum())


def feature_matching(fake: Sequence[paddle.Tensor], real: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """Mean over layers of the mean absolute difference of a network's features, float32 scalar.

    Wang et al., *High-Resolution Image Synthesis with Conditional GANs* (2018), equation 4, on the features of a
    discriminator; those of a fixed encoder make it a perceptual loss.

    Parameters
    ----------
    fake : sequence of paddle.Tensor
        One of each layer, any shape; gradients flow to these alone.
    real : sequence of paddle.Tensor
        Of the truth, the same shapes.
    """
    differences = [
        (f.astype("float32") - r.detach().astype("float32")).abs().mean() for f, r in zip(fake, real, strict=True)
    ]
    return sum(differences) / len(differences)
