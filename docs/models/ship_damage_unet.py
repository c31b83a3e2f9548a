"""Writes the weights of the detector that is shipped from a checkpoint of `experiments=release_damage_detector`.

    python docs/models/ship_damage_unet.py outputs/release_damage_detector/RUN_ID/checkpoints/last.safetensors

The moving average of the weights is stored as float16. What is printed at the end belongs into
`oldrestore/models/released.py`, so that nothing but this file is ever taken for it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from oldrestore import runtime

SETTINGS = {"width": 0.5}


def main() -> None:
    """Write the file and print its size and sha256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("oldrestore/models/released/damage_unet.safetensors"))
    chosen = parser.parse_args()

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    from safetensors.numpy import load_file

    from oldrestore.models.weights import WeightsHeader, network_weights, save_weights

    tensors = network_weights(load_file(chosen.checkpoint))
    half = {name: t.astype(np.float16) if t.dtype == np.float32 else t for name, t in tensors.items()}
    overflown = [name for name, t in half.items() if not np.isfinite(t).all()]
    if overflown:
        raise SystemExit(f"float16 cannot hold {', '.join(overflown)}")
    source = "/".join(chosen.checkpoint.parts[-4:])
    sha256 = hashlib.sha256(chosen.checkpoint.read_bytes()).hexdigest()
    save_weights(chosen.output, half, WeightsHeader("damage_unet", SETTINGS, source, sha256))
    written = chosen.output.read_bytes()
    print(f"{chosen.output}: {len(written)} bytes, sha256 {hashlib.sha256(written).hexdigest()}")


if __name__ == "__main__":
    main()
