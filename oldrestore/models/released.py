"""Weights that are shipped with oldrestore: which file is which, whether it is intact, and how it is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.models.weights_header import read_header

FOLDER = Path(__file__).parent / "released"

# The sha256 of each file in `FOLDER`: NAME.safetensors.
SHA256 = {
    "lite_unet": "dc16d62671da541726844c1e2e6cd9b886ecae13ac00782bd4a4b789d1eab200",
    "damage_unet": "15c082d2ea6623db936766e27174bf0868f7625d575ebfe8a3224f31f77e60d6",
}
# Shorter side, in pixels, of the photographs that the network is given: the size its decoding was chosen at.
SIZE = {"lite_unet": 256, "damage_unet": 512}


@dataclass(frozen=True)
class Released:
    """A file of weights in the package, the constructor arguments they were released with, and `SIZE`."""

    path: Path
    settings: Mapping[str, Any]
    size: int


def released_weights(name: str) -> Released:
    """Find the weights of ``conf/model/NAME.yaml``; `UserError` if none are shipped or the file is not intact."""
    if name not in SHA256:
        raise UserError(f"no weights of '{name}' are shipped with oldrestore: there are those of {', '.join(SHA256)}")
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise UserError(f"the released weights of {name} are missing ({path}): install oldrestore again")
    if sha256_of(path) != SHA256[name]:
        raise UserError(f"the released weights of {name} are damaged ({path}): install oldrestore again")
    header = read_header(path)
    return Released(path, header.settings if header else {}, SIZE[name])
