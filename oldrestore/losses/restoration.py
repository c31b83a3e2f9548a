"""Losses of restored photographs: weighted error within and outside the holes, and matched features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import paddle

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss, NotNegative


class KnownUnknownL1(Loss):
    """Mean absolute error of sRGB, weighted apart within the holes and outside.

    loss = known_weight * (mean over known pixels) + hole_weight * (mean over pixels in holes), after Liu et al.,
    *Image Inpainting for Irregular Holes Using Partial Convolutions* (2018), equation 1 (weights 1 and 6), who divide
    both sums by all pixels; here each is a mean of its own, so that the weights mean the same for thin and for thick
    holes. Either mean is 0 where it has no pixels.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"rgb"})

    @checked
    def __init__(self, known_weight: NotNegative = 1.0, hole_weight: NotNegative = 6.0) -> None:
        super().__init__()
        self.known_weight = known_weight
        self.hole_weight = hole_weight

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """``loss``, and unweighted ``l1_known`` and ``l1_hole``, 0..1."""
        if batch.rgb_b3hw is None or batch.hole_b1hw is None:
            raise UserError("KnownUnknownL1 needs photographs with holes: use inputs=holes")
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
    discriminator; those of a fixed encoder make it a perceptual loss. Gradients flow to `fake` alone.
    """
    differences = [
        (f.astype("float32") - r.detach().astype("float32")).abs().mean() for f, r in zip(fake, real, strict=True)
    ]
    return sum(differences) / len(differences)
