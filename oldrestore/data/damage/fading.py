"""Fading and loss of contrast: what light and air do to a print as a whole."""

from dataclasses import dataclass

import numpy as np

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage, Share
from oldrestore.data.damage.mixing import PARTS, mix
from oldrestore.data.damage.noise import ONE, smooth_field


@checked
@dataclass
class Fading(Damage):
    """A print loses density and comes near to bare paper, in some places more than in others."""

    kind = "fading"
    strength: Share = 0.65  # how far a tone moves to that of the paper at severity 1
    unevenness: Share = 0.5  # how much less of that the least faded place has

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        # Neutral paper, so that a gray photograph stays gray; tones are `Sepia` and `ColorCast`.
        paper = int(rng.integers(225, 246))
        field = smooth_field(rng, *rgb.shape[:2], cells=1.5, octaves=2)
        full, less = round(self.severity * self.strength * PARTS), round(self.unevenness * PARTS)
        mix(
            rgb,
            lambda rows: np.int32(paper),
            lambda rows: (full * (PARTS - (less * field[rows] // ONE)) // PARTS)[..., None],
        )


@checked
@dataclass
class ContrastLoss(Damage):
    """Every tone moves to one of the middle; `strength` of the contrast is lost at severity 1."""

    kind = "contrast"
    strength: Share = 0.7

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        middle = int(rng.integers(96, 161))
        share = round(self.severity * self.strength * PARTS)
        mix(rgb, lambda rows: np.int32(middle), lambda rows: share)
