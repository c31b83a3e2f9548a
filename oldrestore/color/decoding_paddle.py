"""Decoding of scores over the classes of the ab plane to colour: the annealed mean (Zhang, Isola, Efros 2016, 2.3)."""

from __future__ import annotations

import numpy as np
import paddle

from oldrestore.color.bins import AB_BINS

# A positive temperature below this would be a denormal float32, or zero, and 0 / 0 is not a colour.
SMALLEST_DIVISOR = 1e-30


def annealed_mean_nchw(
    logits_bqhw: paddle.Tensor, temperature: float = 0.38, centres_q2: np.ndarray | None = None
) -> paddle.Tensor:
    """Decode scores to colours: the mean of softmax(logits / temperature) over the classes' centres.

    Parameters
    ----------
    logits_bqhw : paddle.Tensor, (B, Q, h, w)
        Unnormalised scores; decoded in float32, also under mixed precision.
    temperature : float
        1 is the mean of the predicted distribution; 0 its mode (the centre of the highest class; of equal ones the
        lower index), which has no gradient; 0.38 the published compromise.
    centres_q2 : ndarray, float32 (Q, 2), optional
        a and b of each class, Lab units: the 313 bins by default, or `oldrestore.color.grid_paddle.GRID_AB`.

    Returns
    -------
    paddle.Tensor, float32 (B, 2, h, w)
        a and b, Lab units.
    """
    # Not the default itself: Paddle's rewriting for an export evaluates defaults without the names of this module.
    centres_q2 = AB_BINS if centres_q2 is None else centres_q2
    if logits_bqhw.ndim != 4 or logits_bqhw.shape[1] != len(centres_q2):
        raise ValueError(f"logits must be (B, {len(centres_q2)}, h, w), got {tuple(logits_bqhw.shape)}")
    batch, _, height, width = logits_bqhw.shape
    centres_q2 = paddle.to_tensor(centres_q2, place=logits_bqhw.place)
    if temperature == 0.0:
        modes = logits_bqhw.argmax(axis=1)
        ab = paddle.gather(centres_q2, modes.flatten()).reshape([batch, height, width, 2])
        return ab.transpose([0, 3, 1, 2])
    with paddle.amp.auto_cast(enable=False):
        scores_bqn = logits_bqhw.astype("float32").flatten(start_axis=2)
        # The mean does not depend on what is subtracted, so no gradient needs to flow through it. It is written out
        # to full size because Paddle's subtraction is slow, on a CPU, if it has to repeat a tensor itself; and the
        # sum is a product with ones because sums over that axis are slow there, too.
        largest = scores_bqn.max(axis=1, keepdim=True).detach().expand_as(scores_bqn)
        probabilities = paddle.exp((scores_bqn - largest) / max(temperature, SMALLEST_DIVISOR))
        ones_q1 = paddle.ones([centres_q2.shape[0], 1], dtype="float32")
        sums_b3n = paddle.matmul(paddle.concat([centres_q2, ones_q1], axis=1).t(), probabilities)
        ab_b2n = sums_b3n[:, :2] / sums_b3n[:, 2:].expand_as(sums_b3n[:, :2])
    return ab_b2n.reshape([batch, 2, height, width])
