"""Every kind of damage, and photographs to try it on; for the tests of this folder."""

import numpy as np

from oldrestore.data.damage.base import Damage
from oldrestore.data.damage.blur import Blur
from oldrestore.data.damage.creases import Creases
from oldrestore.data.damage.dust import Dust
from oldrestore.data.damage.emulsion import Emulsion
from oldrestore.data.damage.fading import ContrastLoss, Fading
from oldrestore.data.damage.grain import Grain, Noise
from oldrestore.data.damage.holes import Holes
from oldrestore.data.damage.jpeg import Jpeg
from oldrestore.data.damage.scratches import Scratches
from oldrestore.data.damage.stains import Foxing, Stains
from oldrestore.data.damage.tears import Tears
from oldrestore.data.damage.toning import ColorCast, Sepia

STRUCTURED: list[type[Damage]] = [Stains, Foxing, Dust, Scratches, Creases, Tears, Holes]
UNSTRUCTURED: list[type[Damage]] = [Fading, ContrastLoss, Sepia, ColorCast, Emulsion, Grain, Noise, Blur, Jpeg]


def photograph(height: int, width: int, gray: bool = False) -> np.ndarray:
    """uint8 (height, width, 3): slopes and patches, in whole numbers only, the same on every machine."""
    rows, columns = np.indices((height, width))
    patches = (rows // 9 * 5 + columns // 13 * 7) % 4 * 20
    slopes = np.stack([rows * 120 // height, columns * 120 // width, (rows + columns) * 100 // (height + width)], -1)
    rgb = (slopes + patches[..., None] + 30).astype(np.uint8)
    return np.repeat(rgb[..., :1], 3, axis=2) if gray else rgb
