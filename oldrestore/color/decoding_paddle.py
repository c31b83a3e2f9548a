"""Decoding of scores over the 313 bins to one colour: the annealed mean (Zhang, Isola, Efros 2016, 2.3)."""

from __future__ import annotations

import paddle

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS

# Above this the result is the plain average of all bins, whatever the network says.
HIGHEST_TEMPERATURE = 100.0
# A positive temperature below this would be a denormal float32, or zero, and 0 / 0 is not a colour.
SMALLEST_DIVISOR = 1e-30


def annealed_mean_nchw(logits_bqhw: paddle.Tensor, temperature: float = 0.38) -> paddle.Tensor:
    """Decode scores to colours: the mean of softmax(logits / temperature) over the bins' centres.

    Parameters
    ----------
    logits_bqhw : paddle.Tensor, (B, 313, h, w)
        Unnormalised scores; decoded in float32, also under mixed precision.
    temperature : float
        0..100. 1 is the mean of the predicted distribution; 0 its mode (the centre of the highest bin; of equal ones
        the lower index), which has no gradient; 0.38 the published compromise.

    Returns
    -------
    paddle.Tensor, float32 (B, 2, h, w)
        a and b, Lab units.

    Raises
    ------
    ValueError
        When the shape is not (B, 313, h, w), or the temperature is out of range.
    """
    require_temperature(temperature)
    if logits_bqhw.ndim != 4 or logits_bqhw.shape[1] != NUMBER_OF_BINS:
        raise ValueError(f"logits must be (B, {NUMBER_OF_BINS}, h, w), got {tuple(logits_bqhw.shape)}")
    batch, _, height, width = logits_bqhw.shape
    centres_q2 = paddle.to_tensor(AB_BINS, place=logits_bqhw.place)
    if temperature == 0.0:
        modes = logits_bqhw.argmax(axis=1)
        ab = paddle.gather(centres_q2, modes.flatten()).reshape([batch, height, width, 2])
        return ab.transpose([0, 3, 1, 2])
    return mean_color(logits_bqhw, centres_q2, temperature).reshape([batch, 2, height, width])


def mean_color(logits_bqhw: paddle.Tensor, centres_q2: paddle.Tensor, temperature: float) -> paddle.Tensor:
    """Mean of softmax(logits / temperature) over the centres of classes, float32 (B, 2, h w).

    Parameters
    ----------
    logits_bqhw : paddle.Tensor
        (B, Q, h, w), of any floating-point type.
    centres_q2 : paddle.Tensor
        float32 (Q, 2), Lab units.
    temperature : float
        At least 0; 0 is as good as the mode.
    """
    with paddle.amp.auto_cast(enable=False):
        scores_bqn = logits_bqhw.astype("float32").flatten(start_axis=2)
        # The mean does not depend on what is subtracted, so no gradient needs to flow through it. It is written out
        # to full size because Paddle's subtraction is slow, on a CPU, where it has to repeat a tensor itself; and the
        # sum is a product with ones because sums over that axis are slow there, too.
        largest = scores_bqn.max(axis=1, keepdim=True).detach().expand_as(scores_bqn)
        probabilities = paddle.exp((scores_bqn - largest) / max(temperature, SMALLEST_DIVISOR))
        ones_q1 = paddle.ones([centres_q2.shape[0], 1], dtype="float32")
        sums_b3n = paddle.matmul(paddle.concat([centres_q2, ones_q1], axis=1).t(), probabilities)
        return sums_b3n[:, :2] / sums_b3n[:, 2:].expand_as(sums_b3n[:, :2])


def require_temperature(temperature: float) -> None:
    """Raise ``ValueError`` unless ``temperature`` is within 0..100."""
    if not (0.0 <= temperature <= HIGHEST_TEMPERATURE):
        raise ValueError(f"temperature must be 0 (mode) to {HIGHEST_TEMPERATURE:g}, got {temperature}")
