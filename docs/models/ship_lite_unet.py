"""Writes the decoder that is shipped with oldrestore from checkpoints of `experiments=release_lite_unet`.

    cd outputs/release_lite_unet/RUN_ID/checkpoints
    python .../docs/models/ship_lite_unet.py iteration-000{1250,1500,1750,2000}.safetensors -o lite_unet.safetensors

The weights of several checkpoints (the moving average, where they have one) are averaged (Izmailov et al., *Averaging
Weights Leads to Wider Optima and Better Generalization*, 2018) and stored as float16. What is printed at the end
belongs into `oldrestore/models/released.py`, so that nothing but this file is ever taken for it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from oldrestore import runtime

# The operating point: how it was chosen is in lite_unet.md.
SETTINGS = {
    "width": 1.0,
    "temperature": 1.6,
    "confidence": 0.0,
    "chroma": 1.2,
    "edge_range": 6.0,
    "mirror": True,
    "second_scale": 1.25,
}


def main() -> None:
    """Write the file and print its size and sha256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path("oldrestore/models/released/lite_unet.safetensors"))
    chosen = parser.parse_args()

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    from safetensors.numpy import load_file

    from oldrestore.models.weights import WeightsHeader, network_weights, save_weights

    states = [network_weights(load_file(path)) for path in chosen.checkpoints]
    half = {}
    for name, first in states[0].items():
        if first.dtype == np.float32:
            mean = np.mean([state[name].astype(np.float64) for state in states], axis=0)
            half[name] = mean.astype(np.float32).astype(np.float16)
        else:
            half[name] = first
    overflown = [name for name, t in half.items() if not np.isfinite(t).all()]
    if overflown:
        raise SystemExit(f"float16 cannot hold {', '.join(overflown)}")
    paths = [path.resolve() for path in chosen.checkpoints]
    source = "/".join(paths[0].parts[-4:-1]) + "/{" + ",".join(path.stem for path in paths) + "}"
    sha256 = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    save_weights(chosen.output, half, WeightsHeader("lite_unet", SETTINGS, source, sha256))
    written = chosen.output.read_bytes()
    print(f"{chosen.output}: {len(written)} bytes, sha256 {hashlib.sha256(written).hexdigest()}")


if __name__ == "__main__":
    main()
