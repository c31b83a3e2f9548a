"""SqueezeNet 1.1 with ImageNet weights, from the pickle of NumPy arrays in which the package ndf carries them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.errors import UserError
from oldrestore.models.paddle_pickle import read_array_lists
from oldrestore.models.weights import set_weights

SIZE = 227
BGR_MEAN = (103.939, 116.779, 123.68)
# Channels in, squeezed and expanded (1 x 1 and 3 x 3, as many each) of fire2 to fire9.
FIRES = (
    (64, 16, 64),
    (128, 16, 64),
    (128, 32, 128),
    (256, 32, 128),
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
    (512, 64, 256),
)
POOLED_BEFORE = (0, 2, 4)  # positions in FIRES behind a max pooling


class Fire(nn.Layer):
    """Squeeze by 1 x 1, then expand by 1 x 1 and by 3 x 3, side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = _convolution(channels, squeezed, 1)
        self.expand1 = _convolution(squeezed, expanded, 1)
        self.expand3 = _convolution(squeezed, expanded, 3, padding=1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(B, channels, H, W) -> (B, 2 expanded, H, W)."""
        x = functional.relu(self.squeeze(x))
        return paddle.concat([functional.relu(self.expand1(x)), functional.relu(self.expand3(x))], axis=1)


class SqueezeNet(nn.Layer):
    """SqueezeNet 1.1: logits of the 1000 ImageNet classes of photographs of `SIZE`.

    Iandola et al., *SqueezeNet*, 2016, and version 1.1 of the authors' repository. It has no batch norm and nothing in
    common with the EfficientNets but the photographs it was trained on. A fresh network holds zeros.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, 64, 3, stride=2)
        self.fires = nn.LayerList([Fire(*channels) for channels in FIRES])
        self.classifier = _convolution(512, 1000, 1)
        mean = paddle.to_tensor(BGR_MEAN, dtype="float32").reshape([1, 3, 1, 1])
        self.register_buffer("mean", mean, persistable=False)

    @classmethod
    def from_file(cls, path: Path) -> SqueezeNet:
        """Build the trained network, in evaluation mode; `UserError` for a file that holds other weights."""
        network = cls()
        set_weights(network, read_weights(path), str(path))
        network.eval()
        return network

    def forward(self, rgb_b3hw: paddle.Tensor) -> paddle.Tensor:
        """Class logits (B, 1000) of RGB 0..255 (B, 3, H, W)."""
        return self.logits_and_features(rgb_b3hw)[0]

    def logits_and_features(self, rgb_b3hw: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Class logits (B, 1000) and the last features (B, 512), which are means over the photograph."""
        x = functional.relu(self.stem(rgb_b3hw.astype("float32").flip(axis=1) - self.mean))
        for position, fire in enumerate(self.fires):
            if position in POOLED_BEFORE:
                x = functional.max_pool2d(x, 3, 2)
            x = fire(x)
        # Here the classes are told apart at each place, and the mean comes last.
        logits = functional.relu(self.classifier(x))
        return tuple(functional.adaptive_avg_pool2d(y, 1).flatten(1) for y in (logits, x))


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the file and name its arrays as `SqueezeNet` does; kernels are (height, width, in, out) there."""
    weights = {}
    for layer, arrays in read_array_lists(path).items():
        if len(arrays) != 2 or arrays[0].ndim != 4 or arrays[1].ndim != 1:
            raise UserError(f"{path} does not hold SqueezeNet's weights: {layer} is not a kernel and a bias")
        name = _name(layer)
        weights[f"{name}.weight"] = np.ascontiguousarray(arrays[0].transpose(3, 2, 0, 1))
        weights[f"{name}.bias"] = arrays[1]
    return weights


def _name(layer: str) -> str:
    """``fire2/expand3x3`` becomes ``fires.0.expand3``; unknown names pass through and are refused as such."""
    fire, _, part = layer.partition("/")
    if part and fire.removeprefix("fire").isdecimal():
        parts = {"squeeze1x1": "squeeze", "expand1x1": "expand1", "expand3x3": "expand3"}
        return f"fires.{int(fire.removeprefix('fire')) - 2}.{parts.get(part, part)}"
    return {"conv1": "stem", "conv10": "classifier"}.get(layer, layer)


def _convolution(channels: int, out: int, kernel: int, **settings: int) -> nn.Conv2D:
    # Zeros, not a random start: a judge must not move the run's random numbers.
    zeros = nn.initializer.Constant(0.0)
    attributes = {"weight_attr": paddle.ParamAttr(initializer=zeros), "bias_attr": paddle.ParamAttr(initializer=zeros)}
    return nn.Conv2D(channels, out, kernel, **settings, **attributes)
