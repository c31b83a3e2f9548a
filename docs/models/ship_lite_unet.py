"""Writes the decoder that is shipped with oldrestore from a checkpoint of `experiments=release_lite_unet`.

    python docs/models/ship_lite_unet.py outputs/release_lite_unet/RUN_ID/checkpoints/iteration-0001000.safetensors

The weights (the moving average, where the checkpoint has one) are stored as float16. What is printed at the end
belongs into `oldrestore/models/released.py`, so that nothing but this file is ever taken for it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from oldrestore import runtime

# The operating point: how it was chosen is in lite_unet.md.
SETTINGS = {"width": 1.0, "temperature": 1.6, "confidence": 0.0, "chroma": 1.2, "edge_range": 6.0}


def main() -> None:
    """Write the file and print its size and sha256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("oldrestore/models/released/lite_unet.safetensors"))
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
    save_weights(chosen.output, half, WeightsHeader("lite_unet", SETTINGS, source, sha256))
    written = chosen.output.read_bytes()
    print(f"{chosen.output}: {len(written)} bytes, sha256 {hashlib.sha256(written).hexdigest()}")


if __name__ == "__main__":
    main()
