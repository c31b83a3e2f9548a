"""The loss on histograms of hue and of chroma (Larsson, Maire, Shakhnarovich 2016)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import paddle
from pydantic import AfterValidator, Field

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.color.hue_chroma_paddle import (
    CHROMA_LIMIT,
    chroma_nchw,
    gather_pixels,
    window_histograms_at,
    window_histograms_nchw,
)
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss, NotNegative, has_colour


def _odd(window: int) -> int:
    if window % 2 == 0:
        raise ValueError("an odd number of pixels")
    return window


class HueChromaDivergence(Loss):
    """Divergence of predicted histograms from those of the true colours around each pixel.

    For each pixel, KL(chroma) + lambda_hue x c x KL(hue), averaged over pixels; c is the pixel's true chroma as
    a share of 136 Lab units, so that the hue of gray pixels, which is noise, counts nothing.

    A target is the histogram of the true colours in a square window, each colour shared linearly between the
    two bins that it lies between: with ``window: 1`` it is the exact colour. A uniform prediction costs
    ln(bins) against a colour that is a bin's centre, and a prediction equal to its target costs 0.

    The prediction is compared where it stands: at every pixel (at the size of the prediction, every n-th pixel
    of the photograph), or, where it was made at the batch's ``positions_bn2`` alone, at those.

    The paper trains with a window of 7 pixels and a `lambda_hue` of 5, the inverse of the mean chroma in its units, so
    that both weigh alike.

    References
    ----------
    Larsson, Maire, Shakhnarovich. Learning Representations for Automatic Colorization. ECCV 2016.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"hue_logits", "chroma_logits"})

    @checked
    def __init__(
        self,
        lambda_hue: NotNegative = 5.0,
        window: Annotated[int, Field(ge=1, le=63), AfterValidator(_odd)] = 7,
        gray_threshold: NotNegative = 5.0,
    ) -> None:
        super().__init__(gray_threshold)
        self.lambda_hue = lambda_hue
        self.window = window

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """The loss and its two terms, ``hue`` (weights included) and ``chroma``, whose sum it is.

        Logits are (B, bins, h, w), or (B, bins, 1, N) where the batch has N positions for each photograph.
        """
        hue, chroma = prediction.hue_logits, prediction.chroma_logits
        with paddle.amp.auto_cast(enable=False):
            hue_target, chroma_target, share_bhw = self._targets(batch, hue)
            counted_b = has_colour(batch, self.gray_threshold).astype("float32")
            weight_bhw = counted_b.reshape([-1, 1, 1]).expand(share_bhw.shape)
            pixels = parallel.divisor(weight_bhw.sum())
            hue_term = (weight_bhw * share_bhw * _divergence(hue, hue_target)).sum() * (self.lambda_hue / pixels)
            chroma_term = (weight_bhw * _divergence(chroma, chroma_target)).sum() / pixels
            return {"loss": hue_term + chroma_term, "hue": hue_term, "chroma": chroma_term}

    def _targets(self, batch: Batch, logits: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        """Histograms of hue and chroma like the logits, and the pixels' chroma (B, h, w) as a share of 136."""
        _, bins, height, width = logits.shape
        positions_bn2 = batch.positions_bn2
        if positions_bn2 is not None and (height, width) == (1, positions_bn2.shape[1]):
            histograms = window_histograms_at(batch.ab_b2hw, positions_bn2, self.window, bins)
            ab = gather_pixels(batch.ab_b2hw, positions_bn2[..., 0], positions_bn2[..., 1]).unsqueeze(2)
        else:
            ab = batch.ab_at(height, width)
            steps = (batch.ab_b2hw.shape[2] // height, batch.ab_b2hw.shape[3] // width)
            whole = window_histograms_nchw(batch.ab_b2hw, self.window, bins)
            histograms = tuple(h[:, :, :: steps[0], :: steps[1]] for h in whole)
        return *histograms, chroma_nchw(ab.astype("float32")).squeeze(1) / CHROMA_LIMIT


def _divergence(logits_bqhw: paddle.Tensor, target_bqhw: paddle.Tensor) -> paddle.Tensor:
    """KL(target || softmax(logits)) of each pixel, (B, h, w), in nats.

    With sum t = 1 it is sum t ln t + logsumexp(z) - sum t z. Bins are moved last first: on a CPU, Paddle's
    reductions over another axis than the last are slower.
    """
    z, t = (x.astype("float32").transpose([0, 2, 3, 1]) for x in (logits_bqhw, target_bqhw))
    negative_entropy = (t * paddle.log(paddle.clip(t, min=1e-30))).sum(axis=-1)
    return negative_entropy + paddle.logsumexp(z, axis=-1) - (t * z).sum(axis=-1)
