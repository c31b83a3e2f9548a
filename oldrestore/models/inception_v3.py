"""Inception v3 up to its last pooling: the 2048 features between which the Frechet distance is taken."""

from __future__ import annotations

from typing import Literal

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.models.features import IMAGENET_MEAN, IMAGENET_STD
from oldrestore.models.weights import read_tensors, set_weights, user_weights

SIZE = 299
FEATURES = 2048
BATCH_NORM_EPSILON = 1e-3
# Not read of the published files: torchvision's two classifiers, pytorch-fid's one.
CLASSIFIERS = ("fc.", "AuxLogits.")
RENAMED = {".running_mean": "._mean", ".running_var": "._variance"}

Pooling = Literal["tensorflow", "torchvision"]
Input = Literal["standard", "ddcolor"]
# in channels, out channels, kernel, stride, padding
Shape = tuple[int, int, tuple[int, int], int, tuple[int, int]]


def _conv(channels: int, out: int, kernel: int | tuple[int, int] = 1, stride: int = 1, same: bool = True) -> Shape:
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    return channels, out, kernel, stride, (kernel[0] // 2, kernel[1] // 2) if same else (0, 0)


# The branches of a block: chains of convolutions; a pair shares its input, and its outputs are concatenated.
Branches = dict[str, list[Shape | tuple[Shape, Shape]]]


def _block_a(channels: int, pool: int) -> Branches:
    return {
        "branch1x1": [_conv(channels, 64)],
        "branch5x5": [_conv(channels, 48), _conv(48, 64, 5)],
        "branch3x3dbl": [_conv(channels, 64), _conv(64, 96, 3), _conv(96, 96, 3)],
        "branch_pool": [_conv(channels, pool)],
    }


def _block_b(channels: int) -> Branches:
    return {
        "branch3x3": [_conv(channels, 384, 3, 2, same=False)],
        "branch3x3dbl": [_conv(channels, 64), _conv(64, 96, 3), _conv(96, 96, 3, 2, same=False)],
    }


def _block_c(channels: int, narrow: int) -> Branches:
    across, down = _conv(narrow, narrow, (1, 7)), _conv(narrow, narrow, (7, 1))
    return {
        "branch1x1": [_conv(channels, 192)],
        "branch7x7": [_conv(channels, narrow), across, _conv(narrow, 192, (7, 1))],
        "branch7x7dbl": [_conv(channels, narrow), down, across, down, _conv(narrow, 192, (1, 7))],
        "branch_pool": [_conv(channels, 192)],
    }


def _block_d(channels: int) -> Branches:
    seven = [_conv(192, 192, (1, 7)), _conv(192, 192, (7, 1))]
    return {
        "branch3x3": [_conv(channels, 192), _conv(192, 320, 3, 2, same=False)],
        "branch7x7x3": [_conv(channels, 192), *seven, _conv(192, 192, 3, 2, same=False)],
    }


def _block_e(channels: int) -> Branches:
    pair = _conv(384, 384, (1, 3)), _conv(384, 384, (3, 1))
    return {
        "branch1x1": [_conv(channels, 320)],
        "branch3x3": [_conv(channels, 384), pair],
        "branch3x3dbl": [_conv(channels, 448), _conv(448, 384, 3), pair],
        "branch_pool": [_conv(channels, 192)],
    }


# The convolutions in order; None is a pooling.
STEM: tuple[tuple[str, Shape] | None, ...] = (
    ("Conv2d_1a_3x3", _conv(3, 32, 3, 2, same=False)),
    ("Conv2d_2a_3x3", _conv(32, 32, 3, same=False)),
    ("Conv2d_2b_3x3", _conv(32, 64, 3)),
    None,
    ("Conv2d_3b_1x1", _conv(64, 80)),
    ("Conv2d_4a_3x3", _conv(80, 192, 3, same=False)),
    None,
)
BLOCKS: dict[str, Branches] = {
    "Mixed_5b": _block_a(192, 32),
    "Mixed_5c": _block_a(256, 64),
    "Mixed_5d": _block_a(288, 64),
    "Mixed_6a": _block_b(288),
    "Mixed_6b": _block_c(768, 128),
    "Mixed_6c": _block_c(768, 160),
    "Mixed_6d": _block_c(768, 160),
    "Mixed_6e": _block_c(768, 192),
    "Mixed_7a": _block_d(768),
    "Mixed_7b": _block_e(1280),
    "Mixed_7c": _block_e(2048),
}


class _Convolution(nn.Layer):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, channels: int, out: int, kernel: tuple[int, int], stride: int, padding: tuple[int, int]):
        super().__init__()
        # Zeros, not a random start: weights are loaded next, and the run's random numbers must not move.
        zeros = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.conv = nn.Conv2D(channels, out, kernel, stride, padding, weight_attr=zeros, bias_attr=False)
        self.bn = nn.BatchNorm2D(out, epsilon=BATCH_NORM_EPSILON)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return functional.relu(self.bn(self.conv(x)))


class _Block(nn.Layer):
    """Branches side by side, and a pooling.

    Convolutions are named as in the published files: BRANCH, or BRANCH_STEP if there are several, 2a beside 2b.
    """

    def __init__(self, branches: Branches, pooling: Literal["inside", "counted", "max"]):
        super().__init__()
        self.pooling = pooling
        self.strided = "branch_pool" not in branches
        self.branches: list[list[list[str]]] = []
        for branch, chain in branches.items():
            steps = []
            for number, step in enumerate(chain, 1):
                pair = isinstance(step[0], tuple)
                ends = [f"_{number}a", f"_{number}b"] if pair else [f"_{number}"] if len(chain) > 1 else [""]
                steps.append([branch + end for end in ends])
                for name, shape in zip(steps[-1], step if pair else [step], strict=True):
                    self.add_sublayer(name, _Convolution(*shape))
            if branch != "branch_pool":
                self.branches.append(steps)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        features = []
        for branch in self.branches:
            y = x
            for names in branch:
                y = [getattr(self, name)(y) for name in names]
                y = y[0] if len(y) == 1 else paddle.concat(y, axis=1)
            features.append(y)
        if self.strided:
            features.append(functional.max_pool2d(x, 3, 2))
        elif self.pooling == "max":
            features.append(self.branch_pool(functional.max_pool2d(x, 3, 1, 1)))
        else:
            # Paddle's `exclusive` leaves the zeros of the border out of the mean.
            mean = functional.avg_pool2d(x, 3, 1, 1, exclusive=self.pooling == "inside")
            features.append(self.branch_pool(mean))
        return paddle.concat(features, axis=1)


class InceptionV3(nn.Layer):
    """Inception v3 (Szegedy et al. 2016) from photographs to the features before its classifier.

    Two files are published. The Frechet distance is defined on TensorFlow's network of 2015 (pytorch-fid's
    ``pt_inception-2015-12-05-6726825d.pth``, 1008 classes): it averages without the zeros of the border, and takes the
    maximum in the last block. torchvision's ``inception_v3_google-*.pth`` (1000 classes) averages with those zeros, and
    gives other distances: the two are never to be compared. Keys are the same in both:
    ``Mixed_5b.branch1x1.conv.weight`` and so on.

    Verified against an independent computation with random weights only: the published files were not at hand.

    Parameters
    ----------
    weights : str or None
        `.pth` or `.pt` of either kind, `.pdparams` or `.safetensors`; needed.
    pooling : {"auto", "tensorflow", "torchvision"}
        Which of the two networks; "auto" goes by the number of classes in the file.
    input : {"standard", "ddcolor"}
        RGB in -1..1, as both were trained, or the narrower range (0.2 to 0.4) of the released code of Kang et al.
        (2023).
    """

    @checked
    def __init__(
        self,
        weights: str | None = None,
        pooling: Literal["auto", "tensorflow", "torchvision"] = "auto",
        input: Input = "standard",
    ) -> None:
        super().__init__()
        path = user_weights("inception_v3", weights)
        arrays = {name: array for name, array in read_tensors(path).items() if not name.endswith("num_batches_tracked")}
        self.pooling = _pooling_of(arrays, path) if pooling == "auto" else pooling
        for convolution in STEM:
            if convolution is not None:
                self.add_sublayer(convolution[0], _Convolution(*convolution[1]))
        for name, branches in BLOCKS.items():
            pooled = "counted" if self.pooling == "torchvision" else "max" if name == "Mixed_7c" else "inside"
            self.add_sublayer(name, _Block(branches, pooled))
        kept = {_renamed(name): array for name, array in arrays.items() if not name.startswith(CLASSIFIERS)}
        set_weights(self, kept, str(path))
        scale, offset = _input_scale(input)
        self.register_buffer("_scale", paddle.to_tensor(scale).reshape([1, 3, 1, 1]), persistable=False)
        self.register_buffer("_offset", paddle.to_tensor(offset).reshape([1, 3, 1, 1]), persistable=False)
        self.fingerprint = sha256_of(path)
        for parameter in self.parameters():
            parameter.stop_gradient = True
        self.eval()

    def forward(self, rgb_b3hw: paddle.Tensor) -> paddle.Tensor:
        """Features (B, 2048), the mean over positions of the last block, of `resized` sRGB, float32, 0..1."""
        x = rgb_b3hw if rgb_b3hw.shape[2:] == [SIZE, SIZE] else resized(rgb_b3hw)
        x = x * self._scale + self._offset
        for convolution in STEM:
            x = functional.max_pool2d(x, 3, 2) if convolution is None else getattr(self, convolution[0])(x)
        for name in BLOCKS:
            x = getattr(self, name)(x)
        # Not mean([2, 3]): of that, Paddle Inference prints that it is not oneDNN's.
        return functional.adaptive_avg_pool2d(x, 1).flatten(1)


def resized(rgb_b3hw: paddle.Tensor) -> paddle.Tensor:
    """Resize photographs to 299 x 299 bilinearly, without antialiasing, as pytorch-fid and DDColor do."""
    return functional.interpolate(rgb_b3hw, [SIZE, SIZE], mode="bilinear", align_corners=False, align_mode=0)


def _input_scale(input: Input) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset of RGB in 0..1, by channel."""
    if input == "standard":
        return np.full(3, 2.0, np.float32), np.full(3, -1.0, np.float32)
    # Its code maps 0..1 as if it were -1..1, and then undoes ImageNet's normalisation, which was never done.
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    scale, offset = std / 0.5, (mean - 0.5) / 0.5
    return (0.5 * scale).astype(np.float32), (0.5 * scale + offset).astype(np.float32)


def _renamed(name: str) -> str:
    for theirs, ours in RENAMED.items():
        name = name.replace(theirs, ours)
    return name


def _pooling_of(arrays: dict[str, np.ndarray], path: object) -> Pooling:

    classes = arrays["fc.bias"].shape[0] if "fc.bias" in arrays else None
    if classes not in (1000, 1008):
        raise UserError(
            f"'{path}' does not say which Inception v3 it is (1008 classes: TensorFlow's; 1000: torchvision's): "
            "name it in the setting pooling"
        )
    return "tensorflow" if classes == 1008 else "torchvision"
