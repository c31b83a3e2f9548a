"""LPIPS, a learnt distance between photographs, with weights that the user has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.models.features import AlexNetFeatures, Vgg16Features
from oldrestore.models.weights import read_tensors, user_weights

BACKBONES = {"alexnet": AlexNetFeatures, "vgg16": Vgg16Features}
# Added to the length that features are divided by, as in the published code.
LENGTH_OFFSET = 1e-10


class LpipsNetwork(nn.Layer):
    """Learned perceptual image patch similarity of two photographs, version 0.1.

    Zhang, Isola, Efros, Shechtman and Wang, *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*
    (2018), equation 1: sum over five layers of the mean over pixels of sum_c w_c (f_c - g_c)^2, with features f, g of
    a recognition network scaled to length 1 over channels, and weights w >= 0 learnt from people's judgements
    (the squares of that equation's: the published files hold w).

    Parameters
    ----------
    backbone : {"alexnet", "vgg16"}
        The published metric takes AlexNet; VGG-16 is the usual one to train on.
    backbone_weights : str or None
        torchvision's file of the backbone, such as ``alexnet-owt-7be5be79.pth``; needed.
    linear_weights : str or None
        The published file of the five linear layers, ``lpips/weights/v0.1/alex.pth`` or ``vgg.pth``; needed.

    ``recognizer`` and ``fingerprint`` are those of the backbone.
    """

    @checked
    def __init__(
        self,
        backbone: Literal["alexnet", "vgg16"] = "alexnet",
        backbone_weights: str | None = None,
        linear_weights: str | None = None,
    ) -> None:
        super().__init__()
        for name, file in (("backbone_weights", backbone_weights), ("linear_weights", linear_weights)):
            if file is None:
                raise UserError(
                    f"LPIPS comes without weights: name both files, backbone_weights (torchvision's {backbone}) and "
                    f"linear_weights (lpips v0.1); {name} is null"
                )
        path = user_weights(f"LPIPS on {backbone}", linear_weights)
        self.backbone = BACKBONES[backbone](backbone_weights)
        self.recognizer, self.fingerprint = self.backbone.recognizer, self.backbone.fingerprint
        for layer, weight in enumerate(_linear_weights(path, self.backbone.channels)):
            self.register_buffer(f"linear_{layer}", weight)

    def forward(self, rgb_b3hw: paddle.Tensor, other_b3hw: paddle.Tensor) -> paddle.Tensor:
        """Distance (B,) of each pair of photographs, sRGB, float32, 0..1: 0 for equal ones, lower is more alike."""
        total = 0.0
        for layer, (f, g) in enumerate(zip(self.backbone(rgb_b3hw), self.backbone(other_b3hw), strict=True)):
            difference = _unit_length(f) - _unit_length(g)
            # A sum over channels is a convolution: Paddle's own reductions over them are slow on a CPU.
            weighted_b1hw = functional.conv2d(difference.square(), getattr(self, f"linear_{layer}"))
            total = total + weighted_b1hw.mean(axis=[1, 2, 3])
        return total


def _unit_length(features_bchw: paddle.Tensor) -> paddle.Tensor:
    """Divide by the length over channels; features that are all 0 stay so."""
    ones = paddle.ones([1, features_bchw.shape[1], 1, 1])
    squared_b1hw = functional.conv2d(features_bchw.square(), ones)
    # Clipped, because the root's slope at 0 is infinite; the value of x / (length + offset) at x = 0 is 0 all the same.
    return features_bchw / (paddle.sqrt(paddle.clip(squared_b1hw, min=LENGTH_OFFSET**2)) + LENGTH_OFFSET)


def _linear_weights(path: Path, channels: tuple[int, ...]) -> list[paddle.Tensor]:
    """Weights of the five linear layers, each (1, C, 1, 1)."""
    arrays = read_tensors(path)
    weights = []
    for layer, count in enumerate(channels):
        name, shape = f"lin{layer}.model.1.weight", (1, count, 1, 1)
        if name not in arrays or arrays[name].shape != shape:
            fault = f"has shape {tuple(arrays[name].shape)}" if name in arrays else "is missing"
            raise UserError(
                f"'{path}' does not hold the linear layers of LPIPS for this backbone: {name} {fault} instead of "
                f"having shape {shape}"
            )
        weights.append(paddle.to_tensor(arrays[name].astype("float32")))
    return weights
