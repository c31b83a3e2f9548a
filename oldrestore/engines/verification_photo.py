"""The photograph that an export is verified on before it is in place, and what a network reads of it."""

from __future__ import annotations

from itertools import takewhile

import numpy as np

from oldrestore.batch import Batch
from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.codecs.decode import decode_photo
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages.installed import package_folder
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.errors import UserError

# One of the default photographs (`oldrestore.data.sources.photos`), which an installed package ships.
PHOTOGRAPH = ("skimage", "data", "coffee.png")


def photograph(size: int, name: str = PHOTOGRAPH[-1]) -> np.ndarray:
    """Return the photograph, or another of scikit-image's, uint8 (size, size, 3), cut as evaluation cuts it."""
    module, folder, _ = PHOTOGRAPH
    crops = Crops(size=size, crop=size, mirror=False, fit="shorter_side", evaluation_size=size)
    return crops.evaluation(decode_photo(package_folder(module, folder) / name))


def inputs_from_photo(chosen: ChosenNetwork) -> dict[str, np.ndarray]:
    """Return what the network reads, made of the photograph: float32 (1, C, H, W) by the names of `Batch`'s fields.

    There are hints and a hole in its middle, so that these are verified too.

    Raises
    ------
    UserError
        When it reads what no photograph gives.
    """
    stride = chosen.network.stride
    size = max(stride, round(chosen.size / stride) * stride)
    rgb_b3hw = photograph(size).astype(np.float32).transpose(2, 0, 1)[None] / 255.0
    lab_b3hw = rgb_to_lab(rgb_b3hw[0].transpose(1, 2, 0)).transpose(2, 0, 1)[None]
    middle = np.zeros_like(lab_b3hw[:, :1])
    middle[..., size * 3 // 8 : size // 2, size * 3 // 8 : size // 2] = 1.0
    values = {
        "L_b1hw": lab_b3hw[:, :1],
        "ab_b2hw": lab_b3hw[:, 1:],
        "rgb_b3hw": rgb_b3hw,
        "hints_b3hw": np.concatenate([lab_b3hw[:, 1:] * middle, middle], axis=1),
        "damaged_b3hw": rgb_b3hw * (1.0 - middle),
        "hole_b1hw": middle,
    }
    assert values.keys() <= Batch.__dataclass_fields__.keys(), "inputs are fields of a batch"
    # What only training gives (positions to train on) comes after what a photograph gives, and may be left out.
    names = list(takewhile(values.__contains__, chosen.network.reads))
    if not names:
        raise UserError(f"{type(chosen.network).__name__} reads {chosen.network.reads[0]}, which no photograph gives")
    return {name: np.ascontiguousarray(values[name], dtype=np.float32) for name in names}
