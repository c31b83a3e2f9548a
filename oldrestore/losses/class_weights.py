"""How much each of the 313 ab bins weighs in a classification loss: by the colour prior, or by effective number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.color.prior import rebalancing_weights
from oldrestore.config.values import checked
from oldrestore.errors import UserError


@checked
@dataclass(frozen=True)
class Rebalance:
    """How class rebalancing weights the bins; see ``oldrestore.color.prior.rebalancing_weights``.

    Zhang, Isola, Efros, *Colorful Image Colorization* (2016), section 2.2.
    """

    needs = frozenset({"prior"})
    lambda_: Annotated[float, Field(ge=0, le=1)] = 0.5  # share of a uniform prior mixed in: 1 is no rebalancing
    alpha: Annotated[float, Field(ge=0, le=10)] = 1.0  # power of the mixed prior that is divided by
    clamp: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None  # the highest weight allowed

    def weights(self, prior: np.ndarray, prior_pixels: float | None = None) -> np.ndarray:
        """Weights of the bins for a prior, float64 (313,), scaled so that sum(prior x weights) = 1."""
        try:
            return rebalancing_weights(prior, self.lambda_, self.alpha, self.clamp)
        except ValueError as error:
            raise UserError(f"class rebalancing is not possible: {error}") from error


@checked
@dataclass(frozen=True)
class EffectiveNumber:
    """Weights of the bins by the inverse of their effective number of pixels.

    w = s (1 - beta) / (1 - beta^n), with the one s at which sum(prior x w) = 1 (Cui, Jia, Lin, Song, Belongie,
    *Class-Balanced Loss Based on Effective Number of Samples*, 2019, equation 3, which scales to another sum). n is the
    number of pixels of a bin: its share of the smoothed prior x the pixels that were counted. A colour of less
    than one pixel counts as one, so that no weight exceeds 1 / (1 - beta) times another.

    beta 0 gives weights of 1; towards 1 the weights become 1 / n. Pixels are many: colours of more than some
    1 / (1 - beta) of them weigh alike, and 0.9999, large in the paper, tells only colours of less than 10,000
    pixels apart.
    """

    needs = frozenset({"prior", "prior_pixels"})
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999999

    def weights(self, prior: np.ndarray, prior_pixels: float | None = None) -> np.ndarray:
        """Weights of the bins for a prior of so many pixels, float64 (313,)."""
        if prior_pixels is None or not 0.0 < prior_pixels < float("inf"):
            raise ValueError(f"a prior is counted from a number of pixels above 0, got {prior_pixels}")
        prior = np.asarray(prior, dtype=np.float64)
        prior = prior / prior.sum()
        pixels = np.maximum(prior * prior_pixels, 1.0)
        with np.errstate(divide="ignore"):
            # -expm1(n ln beta) is 1 - beta^n without the loss of digits near beta = 1.
            inverse = 1.0 / -np.expm1(pixels * np.log(self.beta))
        return inverse / (prior * inverse).sum()
