"""resnet: the residual network of PaddleColorization, which regresses colour."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import paddle
from paddle import nn
from paddle.nn import functional
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.config.values import checked
from oldrestore.models.convolution import Conv2D
from oldrestore.models.layers import initialise
from oldrestore.models.weights import load_weights

# Output channels of the residual blocks, each of which halves the size, and of the layers that double it again.
DOWN = (128, 256, 512, 1024, 2048)
UP = (1024, 512, 256, 128, 64)
AB_SCALE = 110.0  # the last layer gives ab / 110


class ResNet(nn.Layer):
    """Colour of each pixel by regression, at full size.

    After the project's training script (its version for 256 x 256): five residual blocks of two 3 x 3
    convolutions, each with stride 2 and a 1 x 1 convolution on its shortcut; five transposed convolutions
    (4 x 4, stride 2) back to full size; batch norm with momentum 0.5 (the share of the running statistics that
    each step keeps) after all of them; one 3 x 3 layer to ab; no connection across from encoder to decoder.

    Chosen here: lightness enters as (L - 50) / 100 and the last layer's output counts 110 Lab units; no bias
    before batch norm, which would undo it; the last layer is an ordinary convolution where the script has
    a transposed one of stride 1, which is the same function; it starts small, so that an untrained network
    predicts colours of about 10 Lab units. 122,861,058 parameters at width 1.

    References
    ----------
    ZMpursue/PaddleColorization, ``train/ResNet.py``. Residual blocks: He, Zhang, Ren, Sun. Deep Residual
    Learning for Image Recognition. CVPR 2016.
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"ab"})
    reads: ClassVar[tuple[str, ...]] = ("L_b1hw",)
    stride: ClassVar[int] = 32

    @checked
    def __init__(
        self,
        width: Annotated[float, Field(gt=0, le=4)] = 1.0,
        weights: str | None = None,
        batch_norm_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    ) -> None:
        super().__init__()
        down, up = ([max(1, round(channels * width)) for channels in stage] for stage in (DOWN, UP))
        momentum = batch_norm_momentum
        self.down = nn.Sequential(*(_Residual(i, o, momentum) for i, o in zip([1, *down], down, strict=False)))
        self.up = nn.Sequential(*(_doubling(i, o, momentum) for i, o in zip([down[-1], *up], up, strict=False)))
        self.ab = Conv2D(up[-1], 2, 3, padding=1)
        initialise(self)
        # Batch norm takes the scale of what precedes it away, but not of the last layer.
        self.ab.weight.set_value(self.ab.weight * 0.1)
        if weights is not None:
            load_weights(self, Path(weights))

    def forward(self, L_b1hw: paddle.Tensor) -> Prediction:
        """Predict ab (B, 2, H, W), Lab units, from lightness (B, 1, H, W), 0..100; H and W multiples of 32."""
        return Prediction(ab=self.ab(self.up(self.down((L_b1hw - 50.0) / 100.0))) * AB_SCALE)

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 (B, 2, H, W), Lab units: the prediction itself."""
        return prediction.ab.astype("float32")


class _Residual(nn.Layer):
    """Two 3 x 3 convolutions, the first with stride 2, added to a 1 x 1 convolution of the input."""

    def __init__(self, inputs: int, outputs: int, momentum: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(inputs, outputs, 3, stride=2, padding=1, bias_attr=False)
        self.norm1 = nn.BatchNorm2D(outputs, momentum=momentum)
        self.conv2 = nn.Conv2D(outputs, outputs, 3, padding=1, bias_attr=False)
        self.norm2 = nn.BatchNorm2D(outputs, momentum=momentum)
        self.shortcut = nn.Conv2D(inputs, outputs, 1, stride=2, bias_attr=False)
        self.shortcut_norm = nn.BatchNorm2D(outputs, momentum=momentum)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/2, W/2)."""
        inner = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(inner + self.shortcut_norm(self.shortcut(x)))


def _doubling(inputs: int, outputs: int, momentum: float) -> nn.Sequential:
    """Build a transposed convolution that doubles height and width, its batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2DTranspose(inputs, outputs, 4, stride=2, padding=1, bias_attr=False),
        nn.BatchNorm2D(outputs, momentum=momentum),
        nn.ReLU(),
    )
