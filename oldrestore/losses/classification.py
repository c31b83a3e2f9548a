"""Losses that treat colour as one of 313 classes: one cross-entropy, with its targets and weights as options."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import paddle
from pydantic import Field, InstanceOf

from oldrestore.batch import Batch, Prediction
from oldrestore.color.bins import NUMBER_OF_BINS
from oldrestore.color.encoding_paddle import SoftEncoder
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss, NotNegative, mean_where_colour
from oldrestore.losses.class_weights import EffectiveNumber, Rebalance
from oldrestore.losses.label_smoothing import NeighbourSmoothing, UniformSmoothing
from oldrestore.losses.one_pass import SparseTarget, sparse_cross_entropy

# Configurations name it here.
__all__ = ["Rebalance", "SoftCrossEntropy"]

# In logit adjustment. A smoothed prior can be 0 for colours far from all that occur, whose adjustment would be
# infinite; the published prior of ImageNet goes down to 6e-9.
_LEAST_PRIOR = 1e-9
# Some twenty bins are examined at each position, with several numbers each: this many stay in a processor's cache.
_POSITIONS_AT_ONCE = 4096


class SoftCrossEntropy(Loss):
    """Cross-entropy between predicted and softly encoded colours (Zhang, Isola, Efros 2016, equations 2-4).

    The mean, over the pixels of all photographs that have colour, of w(pixel) x cross-entropy(pixel). With
    rebalancing, w is the weight of the pixel's nearest bin; without, it is 1. As weights average 1 under the
    prior, both forms have the same scale, and uniform logits give ln 313 = 5.746 without rebalancing.

    Of a pixel with logits z it is sum_q t_q (1 - p_q)^gamma (-ln p_q), p = softmax(z + tau ln prior); by default
    gamma and tau are 0. The target t is the soft encoding s, or, smoothed, (1 - share) s + share n, where n is
    uniform or the bins around the pixel's nearest bin. All options combine.

    Parameters
    ----------
    neighbours : int
        Bins that a target is spread over: 5 in the paper, 10 in its released code, 1 a hard target.
    sigma : float
        Standard deviation of the target's Gaussian, Lab units.
    focal_gamma : float
        Power of 1 - p, by which what is already right counts less; 2 in its paper.
        For a soft target, each bin of the target has its own such factor.
    logit_adjustment : float
        tau: the loss adds tau x ln prior to the logits, so that the network, which is decoded without
        it, learns to favour rare colours. 1 in its paper. Bins below a prior of 1e-9 count as 1e-9.
    weighting : "loss" or "gradient"
        What the weights multiply. With "gradient" the value is that of the loss without weights and the gradient
        that with them, as in the released Caffe code; the value is then comparable between weights.

    References
    ----------
    Zhang, Isola, Efros. Colorful Image Colorization. 2016.
    Lin, Goyal, Girshick, He, Dollár. Focal Loss for Dense Object Detection. 2017, equation 4.
    Menon et al. Long-tail learning via logit adjustment. 2021, equation 10.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"logits"})

    @checked
    def __init__(
        self,
        neighbours: Annotated[int, Field(ge=1, le=NUMBER_OF_BINS)] = 5,
        sigma: Annotated[float, Field(ge=0.01, le=1000)] = 5.0,
        rebalance: InstanceOf[Rebalance] | InstanceOf[EffectiveNumber] | None = None,
        gray_threshold: NotNegative = 5.0,
        smoothing: InstanceOf[UniformSmoothing] | InstanceOf[NeighbourSmoothing] | None = None,
        focal_gamma: Annotated[float, Field(ge=0, le=20)] = 0.0,
        logit_adjustment: Annotated[float, Field(ge=0, le=20)] = 0.0,
        weighting: Literal["loss", "gradient"] = "loss",
    ) -> None:
        super().__init__(gray_threshold)
        self.rebalance = rebalance
        self.smoothing = smoothing
        self.focal_gamma = focal_gamma
        self.logit_adjustment = logit_adjustment
        self.weighting = weighting
        needs = frozenset() if rebalance is None else rebalance.needs
        self.needs = needs | {"prior"} if logit_adjustment else needs
        self._encoder = SoftEncoder(neighbours, sigma)
        # Not persistable: a checkpoint holds the network, and the prior comes with the data.
        self.register_buffer("_bin_weights", None, persistable=False)
        self.register_buffer("_adjustment", None, persistable=False)
        table = smoothing.table() if isinstance(smoothing, NeighbourSmoothing) else (None, None)
        for name, array in zip(("_beside", "_beside_weights"), table, strict=True):
            self.register_buffer(name, None if array is None else paddle.to_tensor(array), persistable=False)

    def prepare(self, **resources: Any) -> None:
        """Derive the weights of the bins and the adjustment of the logits; `UserError` if weights are not finite."""
        super().prepare(**resources)
        if self.needs:
            prior = np.asarray(resources["prior"], dtype=np.float64)
        if self.rebalance is not None:
            weights = self.rebalance.weights(prior, resources.get("prior_pixels")).astype(np.float32)
            self._bin_weights = paddle.to_tensor(weights)
        if self.logit_adjustment:
            logarithms = np.log(np.maximum(prior / prior.sum(), _LEAST_PRIOR))
            self._adjustment = paddle.to_tensor((self.logit_adjustment * logarithms).astype(np.float32))

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean weighted cross-entropy; logits in float64 are computed in float64."""
        logits_bqhw = prediction.logits
        _, _, height, width = logits_bqhw.shape
        if self.needs and self._bin_weights is None and self._adjustment is None:
            raise RuntimeError(f"SoftCrossEntropy must be prepared with {' and '.join(sorted(self.needs))} first")
        with paddle.amp.auto_cast(enable=False):
            indices_bkhw, weights_bkhw = self._encode(batch.ab_at(height, width))
            target = self._target(indices_bkhw, weights_bkhw)
            cost_bhw = sparse_cross_entropy(logits_bqhw, target, self.focal_gamma, self._adjustment)
            if self._bin_weights is None:
                return mean_where_colour(cost_bhw, batch, self.gray_threshold)
            nearest_bhw = indices_bkhw[:, 0]
            weights_bhw = paddle.gather(self._bin_weights, nearest_bhw.flatten()).reshape(nearest_bhw.shape)
            weighted = mean_where_colour(weights_bhw * cost_bhw, batch, self.gray_threshold)
            if self.weighting == "loss":
                return weighted
            # The difference is exactly 0; its gradient is not.
            plain = mean_where_colour(cost_bhw.detach(), batch, self.gray_threshold)
            return plain + (weighted - weighted.detach())

    def _encode(self, ab_b2hw: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Soft encoding, on a CPU a few photographs at a time: that is faster, and takes less memory."""
        batch, _, height, width = ab_b2hw.shape
        photos = max(1, _POSITIONS_AT_ONCE // (height * width)) if ab_b2hw.place.is_cpu_place() else batch
        if photos >= batch:
            return self._encoder(ab_b2hw)
        encoded = [self._encoder(ab_b2hw[start : start + photos]) for start in range(0, batch, photos)]
        indices_bkhw, weights_bkhw = (paddle.concat(parts) for parts in zip(*encoded, strict=True))
        return indices_bkhw, weights_bkhw

    def _target(self, indices_bkhw: paddle.Tensor, weights_bkhw: paddle.Tensor) -> SparseTarget:
        """Soft encoding of the pixels, smoothed."""
        parts = (indices_bkhw.shape[1],)
        if self.smoothing is None or not self.smoothing.share:
            return SparseTarget(indices_bkhw, weights_bkhw, parts)
        share = self.smoothing.share
        kept_bkhw = (1.0 - share) * weights_bkhw
        if self._beside is None:
            return SparseTarget(indices_bkhw, kept_bkhw, parts, uniform=share)
        batch, _, height, width = indices_bkhw.shape
        nearest_n = indices_bkhw[:, 0].flatten()
        beside, shares = (
            paddle.gather(table, nearest_n).reshape([batch, height, width, -1]).transpose([0, 3, 1, 2])
            for table in (self._beside, self._beside_weights)
        )
        return SparseTarget(
            paddle.concat([indices_bkhw, beside], axis=1),
            paddle.concat([kept_bkhw, share * shares], axis=1),
            (*parts, beside.shape[1]),
        )
