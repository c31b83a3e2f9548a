"""Decoding of scores over the 313 bins to one colour: the annealed mean (Zhang, Isola, Efros 2016, 2.3)."""

from __future__ import annotations

import numpy as np

from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS

# Above this the result is the plain average of all bins, whatever the network says.
HIGHEST_TEMPERATURE = 100.0


def annealed_mean(logits: np.ndarray, temperature: float = 0.38) -> np.ndarray:
    """Decode scores to colours: the mean of softmax(logits / temperature) over the bins' centres.

    Parameters
    ----------
    logits : ndarray, (..., 313)
        Unnormalised scores of any size; -inf excludes a bin.
    temperature : float
        0..100. 1 is the mean of the predicted distribution, 0 its mode (the centre of the highest bin; of
        equal ones the lower index), 0.38 the published compromise.

    Returns
    -------
    ndarray, float32 (..., 2)
        a and b, Lab units.

    Raises
    ------
    ValueError
        When the last axis is not 313, or the temperature is out of range.
    """
    require_temperature(temperature)
    logits = np.asarray(logits)
    if logits.ndim == 0 or logits.shape[-1] != NUMBER_OF_BINS:
        raise ValueError(f"logits must have {NUMBER_OF_BINS} channels on the last axis, got {logits.shape}")
    if temperature == 0.0:
        return AB_BINS[logits.argmax(axis=-1)]
    logits = logits.astype(np.float32, copy=False)
    # The highest score is subtracted before the division: a low temperature must not overflow. The steps
    # after the first work in place, since this is the largest array of a colorization.
    with np.errstate(over="ignore"):
        probabilities = logits - logits.max(axis=-1, keepdims=True)
        probabilities /= np.float32(max(temperature, SMALLEST_DIVISOR))
    np.exp(probabilities, out=probabilities)
    return (probabilities @ AB_BINS) / probabilities.sum(axis=-1, keepdims=True)


def require_temperature(temperature: float) -> None:
    """Raise ``ValueError`` unless ``temperature`` is within 0..100."""
    if not (0.0 <= temperature <= HIGHEST_TEMPERATURE):
        raise ValueError(f"temperature must be 0 (mode) to {HIGHEST_TEMPERATURE:g}, got {temperature}")


# A positive temperature below this would be a denormal float32, or zero, and 0 / 0 is not a colour.
SMALLEST_DIVISOR = 1e-30
