"""Losses of damage that is to be found: cross-entropy of each pixel, and the overlap of the masks."""

from __future__ import annotations

from typing import Annotated, ClassVar

import paddle
from paddle.nn import functional
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


NEIGHBOURHOOD = 17  # side of the square in which the damage around a damaged pixel is counted, pixels


class DamageMask(Loss):
    """Binary cross-entropy of each pixel's damage, and the Dice loss of the mask; thin damage counts as much as broad.

    loss = cross_entropy + dice_weight * dice, with a weight w for each pixel: 1 where it is whole, `damaged_weight`
    where it is damaged, and with `balance_thin` that divided by the share of damage in the 17 x 17 pixels around it.
    Else a hole, with as many pixels as thirty scratches, would be all that is learnt. The cross-entropy is the mean of
    the weighted values. The Dice loss is 1 - 2 sum(w p t) / (sum(w p) + sum(w t)) over the whole batch (Milletari,
    Navab, Ahmadi, *V-Net*, 2016, with p itself in place of its square), w here without `damaged_weight`: one minus a
    soft F1, which does not fade where damage covers few pixels.

    Parameters
    ----------
    damaged_weight : float
        In the cross-entropy. More finds more and is wrong more often.
    dice_weight : float
        0 is off.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"damage_logits"})

    @checked
    def __init__(
        self,
        damaged_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0,
        dice_weight: Weight = 0.5,
        balance_thin: bool = False,
    ) -> None:
        super().__init__()
        self.damaged_weight = damaged_weight
        self.dice_weight = dice_weight
        self.balance_thin = balance_thin

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Value of the loss, float32 scalar."""
        return self.terms(prediction, batch)["loss"]

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """``loss``, and its parts ``cross_entropy`` and ``dice``, before `dice_weight`."""
        if batch.hole_b1hw is None:
            raise UserError("DamageMask needs damaged photographs: take inputs=damage_detection")
        with paddle.amp.auto_cast(enable=False):
            true_b1hw = batch.hole_b1hw
            logits, true = prediction.damage_logits.astype("float32").flatten(), true_b1hw.flatten()
            thin = true * self._thinness(true_b1hw).flatten()
            # log(1 + exp(-x)) and log(1 + exp(x)): what a damaged and what a whole pixel costs.
            missed, imagined = functional.softplus(-logits), functional.softplus(logits)
            entropy = (self.damaged_weight * thin * missed + (1.0 - true) * imagined).mean()
            p = functional.sigmoid(logits)
            # Of the whole batch, also where this is a part of it.
            both, found, damaged = (
                parallel.batch_sum((p * thin).sum()),
                parallel.batch_sum((p * (thin + 1.0 - true)).sum()),
                parallel.total(thin.sum()),
            )
            # 1 keeps a batch without any damage from dividing by zero.
            dice = 1.0 - (2.0 * both + 1.0) / (found + damaged + 1.0)
            loss = entropy + self.dice_weight * dice
        return {"loss": loss, "cross_entropy": entropy, "dice": dice}

    def _thinness(self, true_b1hw: paddle.Tensor) -> paddle.Tensor:
        if not self.balance_thin:
            return paddle.ones_like(true_b1hw)
        around = NEIGHBOURHOOD // 2
        share = functional.avg_pool2d(true_b1hw, NEIGHBOURHOOD, stride=1, padding=around, exclusive=True)
        return 1.0 / paddle.clip(share, min=1.0 / NEIGHBOURHOOD**2)
