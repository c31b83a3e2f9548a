"""What old black-and-white film makes of colours: it sees blue bright and red dark."""

from dataclasses import dataclass

import numpy as np

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage, Share, between
from oldrestore.data.damage.mixing import PARTS, mix

# Weights of red, green and blue in a photograph's tones. Panchromatic film comes near to the eye (ITU-R BT.601),
# orthochromatic film and plates (from the 1880s) are blind to red, and the plates before them to green as well.
PANCHROMATIC = np.array([0.299, 0.587, 0.114])
ORTHOCHROMATIC = np.array([0.03, 0.47, 0.50])
BLUE_SENSITIVE = np.array([0.0, 0.10, 0.90])


@checked
@dataclass
class Emulsion(Damage):
    """Colour gives way to the gray of a film that is less sensitive to red than the eye, and more to blue.

    Of each photograph, weights of the channels are drawn between the eye's and those of orthochromatic film or, for a
    share of the photographs, of plates that see blue alone. They weigh sRGB values as they are, like luma: film has a
    tone curve of its own. White stays white.
    """

    kind = "emulsion"
    strength: Share = 1.0  # share of the film's gray in the mixture at severity 1
    blue_only: Share = 0.25  # share of photographs whose weights are drawn towards `BLUE_SENSITIVE`

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        end = BLUE_SENSITIVE if float(rng.random()) < self.blue_only else ORTHOCHROMATIC
        weights = PANCHROMATIC + (end - PANCHROMATIC) * between(rng, 0.0, 1.0)
        red, green, _ = np.floor(weights * PARTS + 0.5).astype(np.int32)
        share = round(self.severity * self.strength * PARTS)

        def gray(rows: slice) -> np.ndarray:
            wide = rgb[rows].astype(np.int32)
            tone = wide[..., 0] * red + wide[..., 1] * green + wide[..., 2] * (PARTS - red - green)
            return ((tone + PARTS // 2) // PARTS)[..., None]

        mix(rgb, gray, lambda rows: share)
