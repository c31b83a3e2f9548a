"""Tones that prints take on: sepia, and the cast of a colour print whose dyes fade at different speeds."""

from dataclasses import dataclass

import numpy as np

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage, Share, between
from oldrestore.data.damage.mixing import PARTS, luma, mix

SEPIA_BLACK = np.array([46, 30, 18], dtype=np.int32)
SEPIA_WHITE = np.array([252, 232, 196], dtype=np.int32)


@checked
@dataclass
class Sepia(Damage):
    """Colour gives way to the browns of a sulphide-toned or yellowed print."""

    kind = "sepia"
    strength: Share = 1.0  # share of sepia in the mixture at severity 1

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        share = round(self.severity * self.strength * PARTS)
        # Prints differ in how yellow they are.
        white = SEPIA_WHITE - int(rng.integers(0, 12)) * np.array([0, 1, 2], dtype=np.int32)

        def toned(rows: slice) -> np.ndarray:
            tone = luma(rgb[rows])[..., None]
            return (SEPIA_BLACK * (255 - tone) + white * tone + 127) // 255

        mix(rgb, toned, lambda rows: share)


@checked
@dataclass
class ColorCast(Damage):
    """One dye fades more than another: channels lose depth and dark tones take on colour."""

    kind = "color_cast"
    strength: Share = 0.5  # how far the most faded channel moves to its end tone at severity 1; the least faded stays

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        # One channel moves whole, one in part and one not at all: every hue of cast comes up.
        amounts = np.array([0.0, between(rng, 0.1, 0.9), 1.0])[rng.permutation(3)]
        end = int(rng.integers(60, 221))
        share = np.floor(amounts * (self.severity * self.strength * PARTS) + 0.5).astype(np.int32)
        mix(rgb, lambda rows: np.int32(end), lambda rows: share)
