"""The layers of eccv16 and siggraph17 in PyTorch, timed in eager mode: what `inference.py` compares with.

    PYTHON benchmarks/inference_torch.py NETWORK FORM SIDE

PYTHON is one that has torch; nothing else is needed. FORM is ``contiguous``, ``channels_last`` or ``bfloat16`` (which
is channels last too). A line on the standard input asks for one more timing (`pairs.serve`).
"""

from __future__ import annotations

import os
import sys

import torch
from pairs import serve, timed
from torch import nn

PARAMETERS = {"eccv16": 32_236_011, "siggraph17": 34_187_027}


def block(inputs: int, outputs: int, layers: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Make convolutions with ReLU, the last one strided, and one batch norm."""
    stack: list[nn.Module] = []
    for index in range(layers):
        last = stride if index == layers - 1 else 1
        wide = inputs if index == 0 else outputs
        stack += [nn.Conv2d(wide, outputs, 3, last, dilation, dilation), nn.ReLU(inplace=True)]
    return nn.Sequential(*stack, nn.BatchNorm2d(outputs))


def joined_block(channels: int, layers: int) -> nn.Sequential:
    """Make a block that follows a sum."""
    stack: list[nn.Module] = [nn.ReLU(inplace=True)]
    for _ in range(layers):
        stack += [nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*stack, nn.BatchNorm2d(channels))


class Eccv16(nn.Module):
    """With the annealed mean at 0.38."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(block(1, 64, 2, 2), block(64, 128, 2, 2), block(128, 256, 3, 2))
        self.middle = nn.Sequential(
            block(256, 512, 3), block(512, 512, 3, 1, 2), block(512, 512, 3, 1, 2), block(512, 512, 3)
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(512, 256, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 313, 1),
        )
        self.model_out = nn.Conv2d(313, 2, 1, bias=False)

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        """Lightness to ab."""
        logits = self.up(self.middle(self.down((L - 50.0) / 100.0)))
        return self.model_out(torch.softmax(logits / 0.38, dim=1)) * 110.0


class Siggraph17(nn.Module):
    """With both heads, without hints."""

    def __init__(self) -> None:
        super().__init__()
        self.model1, self.model2, self.model3 = block(4, 64, 2), block(64, 128, 2), block(128, 256, 3)
        self.middle = nn.Sequential(
            block(256, 512, 3), block(512, 512, 3, 1, 2), block(512, 512, 3, 1, 2), block(512, 512, 3)
        )
        self.model8up, self.model3short8 = nn.ConvTranspose2d(512, 256, 4, 2, 1), nn.Conv2d(256, 256, 3, 1, 1)
        self.model8 = joined_block(256, 2)
        self.model9up, self.model2short9 = nn.ConvTranspose2d(256, 128, 4, 2, 1), nn.Conv2d(128, 128, 3, 1, 1)
        self.model9 = joined_block(128, 1)
        self.model10up, self.model1short10 = nn.ConvTranspose2d(128, 128, 4, 2, 1), nn.Conv2d(64, 128, 3, 1, 1)
        self.model10 = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(128, 128, 3, 1, 1), nn.LeakyReLU(0.2))
        self.model_class = nn.Conv2d(256, 529, 1)
        self.model_out = nn.Sequential(nn.Conv2d(128, 2, 1), nn.Tanh())

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        """Lightness to ab. The class head's answer is not asked for, and so not computed: ours leaves it out too."""
        at_1 = self.model1(torch.cat([(L - 50.0) / 100.0, torch.zeros_like(L).repeat(1, 3, 1, 1)], dim=1))
        at_2 = self.model2(at_1[:, :, ::2, ::2])
        at_4 = self.model3(at_2[:, :, ::2, ::2])
        x = self.middle(at_4[:, :, ::2, ::2])
        x = self.model8(self.model8up(x) + self.model3short8(at_4))
        x = self.model9(self.model9up(x) + self.model2short9(at_2))
        x = self.model10(self.model10up(x) + self.model1short10(at_1))
        return self.model_out(x) * 110.0


def main() -> None:
    """Time one network in one form, again for every line that comes in."""
    name, form, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    torch.manual_seed(0)
    network = {"eccv16": Eccv16, "siggraph17": Siggraph17}[name]().eval()
    count = sum(parameter.numel() for parameter in network.parameters())
    if count != PARAMETERS[name]:
        raise SystemExit(f"{name} has {count} parameters here, and {PARAMETERS[name]} as published")
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
