"""Losses that treat colour as one of 313 classes: soft cross-entropy, with or without rebalancing."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
import paddle
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.color.bins import NUMBER_OF_BINS
from oldrestore.color.encoding_paddle import SoftEncoder
from oldrestore.color.prior import rebalancing_weights
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss


class Rebalance:
    """How class rebalancing weights the bins; see ``oldrestore.color.prior.rebalancing_weights``.

    Parameters
    ----------
    lambda_ : float
        0..1: share of a uniform distribution mixed into the prior. 1 is no rebalancing, 0 is full.
    alpha : float
        0..10: power of the mixed prior that is divided by.
    clamp : float or None
        The highest weight allowed, above 1; None for no limit.

    Raises
    ------
    UserError
        When a parameter is out of range.
    """

    def __init__(
        self,
        lambda_: Annotated[float, Field(ge=0, le=1)] = 0.5,
        alpha: Annotated[float, Field(ge=0, le=10)] = 1.0,
        clamp: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None,
    ) -> None:
        _require(0.0 <= lambda_ <= 1.0, "lambda_", "within 0..1", lambda_)
        _require(0.0 <= alpha <= 10.0, "alpha", "within 0..10", alpha)
        _require(clamp is None or 1.0 < clamp < float("inf"), "clamp", "a number above 1, or null", clamp)
        self.lambda_ = lambda_
        self.alpha = alpha
        self.clamp = clamp

    def weights(self, prior: np.ndarray) -> np.ndarray:
        """Weights of the bins for a prior, float64 (313,), scaled so that sum(prior x weights) = 1.

        Raises
        ------
        UserError
            When the prior is none, or the weights would be infinite.
        """
        try:
            return rebalancing_weights(prior, self.lambda_, self.alpha, self.clamp)
        except ValueError as error:
            raise UserError(f"class rebalancing is not possible here: {error}") from error

    def __repr__(self) -> str:
        return f"Rebalance(lambda_={self.lambda_}, alpha={self.alpha}, clamp={self.clamp})"


class SoftCrossEntropy(Loss):
    """Cross-entropy between predicted and softly encoded colours (Zhang, Isola, Efros 2016, equations 2-4).

    The mean, over the pixels of all photographs that have colour, of w(pixel) x cross-entropy(pixel). With
    rebalancing, w is the weight of the pixel's nearest bin; without, it is 1. As weights average 1 under the
    prior, both forms have the same scale, and uniform logits give ln 313 = 5.746 without rebalancing.

    A photograph with no |a| or |b| above ``gray_threshold`` at full size counts as gray: it is left out of
    sum and count. A batch of gray photographs alone has loss 0 and gradient 0.

    Parameters
    ----------
    neighbours : int
        Bins that a target is spread over, 1..313: 5 in the paper, 10 in its released code, 1 a hard target.
    sigma : float
        Standard deviation of the target's Gaussian, Lab units.
    rebalance : Rebalance or None
        Class rebalancing; then ``prepare(prior=...)`` is needed.
    gray_threshold : float
        Lab units, at least 0. 5 in the released code.

    Raises
    ------
    UserError
        When a parameter is out of range.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"logits"})

    def __init__(
        self,
        neighbours: Annotated[int, Field(ge=1, le=NUMBER_OF_BINS)] = 5,
        sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0,
        rebalance: Rebalance | None = None,
        gray_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0,
    ) -> None:
        super().__init__()
        _require(1 <= neighbours <= NUMBER_OF_BINS, "neighbours", f"within 1..{NUMBER_OF_BINS}", neighbours)
        _require(0.0 < sigma < float("inf"), "sigma", "a number above 0 (Lab units)", sigma)
        _require(0.0 <= gray_threshold < float("inf"), "gray_threshold", "at least 0", gray_threshold)
        self.rebalance = rebalance
        self.gray_threshold = gray_threshold
        self.needs = frozenset() if rebalance is None else frozenset({"prior"})
        self._encoder = SoftEncoder(neighbours, sigma)
        # Not persistable: a checkpoint holds the network, and the prior comes with the data.
        self.register_buffer("_bin_weights", None, persistable=False)

    def prepare(self, **resources: Any) -> None:
        """Receive the colour prior, float64 (313,), if rebalancing.

        Raises
        ------
        TypeError
            When the prior is missing.
        UserError
            When no finite weights follow from it.
        """
        super().prepare(**resources)
        if self.rebalance is not None:
            weights = self.rebalance.weights(np.asarray(resources["prior"])).astype(np.float32)
            self._bin_weights = paddle.to_tensor(weights)

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean weighted cross-entropy over the pixels of photographs with colour, float32 scalar.

        Parameters
        ----------
        prediction : Prediction
            With ``logits`` (B, 313, h, w); computed in float32, also under mixed precision.
        batch : Batch
            Whose photographs' sides are whole multiples of h and w.
        """
        logits_bqhw = prediction.logits
        _, _, height, width = logits_bqhw.shape
        with paddle.amp.auto_cast(enable=False):
            indices_bkhw, targets_bkhw = self._encoder(batch.ab_at(height, width))
            entropy_bhw = _cross_entropy(logits_bqhw.astype("float32"), indices_bkhw, targets_bkhw)
            counted_b = self._with_colour(batch).astype("float32")
            weights_bhw = counted_b.reshape([-1, 1, 1]) * self._pixel_weights(indices_bkhw[:, 0])
            # At least one pixel, so that a batch of gray photographs gives 0 / 1 and not 0 / 0.
            pixels = paddle.clip(counted_b.sum() * (height * width), min=1.0)
            return (weights_bhw * entropy_bhw).sum() / pixels

    def _with_colour(self, batch: Batch) -> paddle.Tensor:
        """Tell which photographs have colour, bool (B,)."""
        return batch.ab_b2hw.abs().flatten(start_axis=1).max(axis=1) > self.gray_threshold

    def _pixel_weights(self, nearest_bhw: paddle.Tensor) -> paddle.Tensor | float:
        if self.rebalance is None:
            return 1.0
        if self._bin_weights is None:
            raise RuntimeError("SoftCrossEntropy with rebalancing must be prepared with the colour prior first")
        return paddle.gather(self._bin_weights, nearest_bhw.flatten()).reshape(nearest_bhw.shape)


def _cross_entropy(
    logits_bqhw: paddle.Tensor, indices_bkhw: paddle.Tensor, targets_bkhw: paddle.Tensor
) -> paddle.Tensor:
    """Cross-entropy of each pixel (B, h, w) with targets that are zero but at k bins and sum to 1.

    -sum_k t_k log_softmax(z)_k = logsumexp(z) - sum_k t_k z_k, which needs neither a dense target nor the
    log-softmax of 313 channels. Channels are moved last first: on a CPU, Paddle's reductions and gathers over
    another axis than the last are slower (its log-softmax, twenty times and more).
    """
    batch, _, height, width = logits_bqhw.shape
    logits_nq, indices_nk, targets_nk = (
        x.transpose([0, 2, 3, 1]).reshape([-1, x.shape[1]]) for x in (logits_bqhw, indices_bkhw, targets_bkhw)
    )
    expected_n = (paddle.index_sample(logits_nq, indices_nk) * targets_nk).sum(axis=1)
    return (paddle.logsumexp(logits_nq, axis=1) - expected_n).reshape([batch, height, width])


def _require(holds: bool, name: str, right: str, given: object) -> None:
    if not holds:
        raise UserError(f"{name} must be {right}, not {given}")
