"""Losses of damage detection: cross-entropy of each pixel, and the overlap of the masks."""

from __future__ import annotations

from typing import ClassVar

import paddle
from paddle.nn import functional

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss, NotNegative, Positive

NEIGHBOURHOOD = 17  # side of the square in which the damage around a damaged pixel is counted, pixels


class DamageMask(Loss):
    """Binary cross-entropy of each pixel's damage, and the Dice loss of the mask; thin damage counts as much as broad.

    loss = cross_entropy + dice_weight * dice, with a weight w for each pixel: 1 where it is whole, `damaged_weight`
    where it is damaged (more finds more and is wrong more often), and with `balance_thin` that divided by the share of
    damage in the 17 x 17 pixels around it. Otherwise a hole, with as many pixels as thirty scratches, would be all
    that is learnt. The cross-entropy is the mean of the weighted values. The Dice loss is
    1 - 2 sum(w p t) / (sum(w p) + sum(w t)) over the whole batch (Milletari, Navab, Ahmadi, *V-Net*, 2016, with p
    itself in place of its square), w here without `damaged_weight`: one minus a soft F1, which does not fade where
    damage covers few pixels.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"damage_logits"})

    @checked
    def __init__(
        self, damaged_weight: Positive = 1.0, dice_weight: NotNegative = 0.5, balance_thin: bool = False
    ) -> None:
        super().__init__()
        self.damaged_weight = damaged_weight
        self.dice_weight = dice_weight
        self.balance_thin = balance_thin

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """``loss``, and its parts ``cross_entropy`` and ``dice``, before `dice_weight`."""
        if batch.hole_b1hw is None:
            raise UserError("DamageMask needs damaged photographs: use inputs=damage_detection")
        with paddle.amp.auto_cast(enable=False):
            true_b1hw = batch.hole_b1hw
            logits, true = prediction.damage_logits.astype("float32").flatten(), true_b1hw.flatten()
            thin = true * self._thinness(true_b1hw).flatten()
            # log(1 + exp(-x)) and log(1 + exp(x)): what a damaged and what a whole pixel costs.
            missed, imagined = functional.softplus(-logits), functional.softplus(logits)
            entropy = (self.damaged_weight * thin * missed + (1.0 - true) * imagined).mean()
            p = functional.sigmoid(logits)
            # Of the whole batch, also where this is a part of it.
            both = parallel.batch_sum((p * thin).sum())
            predicted = parallel.batch_sum((p * (thin + 1.0 - true)).sum())
            damaged = parallel.total(thin.sum())
            # 1 keeps a batch without any damage from dividing by zero.
            dice = 1.0 - (2.0 * both + 1.0) / (predicted + damaged + 1.0)
            loss = entropy + self.dice_weight * dice
        return {"loss": loss, "cross_entropy": entropy, "dice": dice}

    def _thinness(self, true_b1hw: paddle.Tensor) -> paddle.Tensor:
        if not self.balance_thin:
            return paddle.ones_like(true_b1hw)
        around = NEIGHBOURHOOD // 2
        share = functional.avg_pool2d(true_b1hw, NEIGHBOURHOOD, stride=1, padding=around, exclusive=True)
        return 1.0 / paddle.clip(share, min=1.0 / NEIGHBOURHOOD**2)
