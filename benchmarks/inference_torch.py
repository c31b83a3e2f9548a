"""Times eccv16 and siggraph17 in PyTorch's eager mode (`torch_networks`): what `inference.py` compares with.

    PYTHON benchmarks/inference_torch.py NETWORK FORM SIDE

PYTHON is one that has torch; nothing else is needed. FORM is ``contiguous``, ``channels_last`` or ``bfloat16`` (which
is channels last too). A line on the standard input asks for one more timing (`pairs.serve`).
"""

from __future__ import annotations

import os
import sys

import torch
import torch_networks
from pairs import serve, timed


def main() -> None:
    """Time one network in one form, again for every line that comes in."""
    name, form, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    torch.manual_seed(0)
    network = torch_networks.network(name).eval()
    L = torch.rand(1, 1, side, side) * 100.0
    if form != "contiguous":
        network, L = network.to(memory_format=torch.channels_last), L.to(memory_format=torch.channels_last)
    if form == "bfloat16":
        network, L = network.to(torch.bfloat16), L.to(torch.bfloat16)

    def predict() -> torch.Tensor:
        with torch.inference_mode():
            return network(L).float()

    predict()
    serve(timed(predict))


if __name__ == "__main__":
    main()
