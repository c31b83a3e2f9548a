"""Softmax of logits over the 313 bins, not divided by its sum yet: for losses of the whole distribution."""

from __future__ import annotations

import paddle


def unnormalised_probabilities(logits_bqhw: paddle.Tensor, temperature: float = 1.0) -> paddle.Tensor:
    """exp((z - max z) / temperature), float32 (B, 313, h w): divided by its sum over the bins, it is the softmax.

    Dividing what is summed, not what is summed up, spares a pass over 313 numbers for each pixel; and sums over
    bins are products with a matrix, for Paddle's own reductions over that axis are slow on a CPU.

    Parameters
    ----------
    logits_bqhw : paddle.Tensor
        (B, 313, h, w), of any floating-point type.
    """
    scores = logits_bqhw.astype("float32").flatten(start_axis=2)
    # A softmax does not depend on what is subtracted, so no gradient needs to flow through it. It is written out to
    # full size because Paddle's subtraction is slow, on a CPU, where it has to repeat a tensor itself.
    largest = scores.max(axis=1, keepdim=True).detach().expand_as(scores)
    differences = scores - largest
    return paddle.exp(differences if temperature == 1.0 else differences * (1.0 / temperature))
