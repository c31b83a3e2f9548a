"""Recognition networks whose features perceptual losses compare: frozen, chosen by name, with a fingerprint."""

from __future__ import annotations

from typing import Literal

import paddle
from paddle import nn

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.kernels.activations import RELU
from oldrestore.models.convolution import Conv2D, max_pool2d
from oldrestore.models.efficientnet_lite import EfficientNetLiteNetwork, Variant, normalize, package_weights
from oldrestore.models.weights import read_tensors, set_weights, user_weights

# Means and standard deviations of ImageNet's RGB in 0..1, of torchvision's and Paddle's weights.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class RecognitionFeatures(nn.Layer):
    """A recognition network as a fixed measure of photographs: no gradient reaches its weights.

    A subclass implements ``maps``.
    """

    recognizer: str  # the network's name, as the judges of `oldrestore.evaluation` are named
    fingerprint: str  # sha256 (hex) of its weights file
    layers: int  # number of feature maps
    smallest: int = 1  # smallest side of a photograph, pixels

    def freeze(self) -> None:
        """Exclude the weights from training, for good; called once they are loaded."""
        for parameter in self.parameters():
            parameter.stop_gradient = True
        self.eval()

    def forward(self, rgb_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Feature maps (B, C, h, w), finest first, of sRGB photographs, float32, 0..1; gradients flow to these."""
        height, width = rgb_b3hw.shape[-2:]
        if min(height, width) < self.smallest:
            raise UserError(
                f"{self.recognizer} needs photographs of at least {self.smallest} x {self.smallest} pixels, not "
                f"{height} x {width}: take larger crops"
            )
        # A network that contains this one may put all its layers into training mode, where batch norm would learn.
        if any(layer.training for layer in self.sublayers()):
            self.eval()
        return self.maps(rgb_b3hw)

    def maps(self, rgb_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Feature maps of photographs that are large enough."""
        raise NotImplementedError


class EfficientNetLiteFeatures(RecognitionFeatures):
    """Features of EfficientNet-lite at strides 4, 8, 16 and 32, with the ImageNet weights of its package.

    lite0 is the default judge, and must not judge a network that learns from it: take lite2.
    """

    layers = 4

    @checked
    def __init__(self, variant: Variant = "lite2") -> None:
        super().__init__()
        self.recognizer = f"efficientnet_{variant}"
        self.network = EfficientNetLiteNetwork.from_package(variant)
        self.fingerprint = sha256_of(package_weights(variant))
        self.freeze()

    def maps(self, rgb_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """See `RecognitionFeatures`."""
        return self.network.features(normalize(rgb_b3hw * 255.0))


class EfficientNetLiteClassifier(EfficientNetLiteFeatures):
    """EfficientNet-lite's answer, logits (B, 1000), as its only map: for losses that read what it recognises."""

    layers = 1

    def maps(self, rgb_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """See `RecognitionFeatures`."""
        return [self.network(normalize(rgb_b3hw * 255.0))]


# Max-pooling (window and stride) or None, then convolutions with ReLU, of which the last one's output is a feature map:
# place in torchvision's ``features``, in channels, out channels, kernel, stride, padding.
Stage = tuple[tuple[int, int] | None, tuple[tuple[int, int, int, int, int, int], ...]]
# Krizhevsky (2014), *One weird trick*, as torchvision has it: relu1 .. relu5.
ALEXNET: tuple[Stage, ...] = (
    (None, ((0, 3, 64, 11, 4, 2),)),
    ((3, 2), ((3, 64, 192, 5, 1, 2),)),
    ((3, 2), ((6, 192, 384, 3, 1, 1),)),
    (None, ((8, 384, 256, 3, 1, 1),)),
    (None, ((10, 256, 256, 3, 1, 1),)),
)
# Simonyan and Zisserman (2015), configuration D: relu1_2, relu2_2, relu3_3, relu4_3, relu5_3.
VGG16: tuple[Stage, ...] = (
    (None, ((0, 3, 64, 3, 1, 1), (2, 64, 64, 3, 1, 1))),
    ((2, 2), ((5, 64, 128, 3, 1, 1), (7, 128, 128, 3, 1, 1))),
    ((2, 2), ((10, 128, 256, 3, 1, 1), (12, 256, 256, 3, 1, 1), (14, 256, 256, 3, 1, 1))),
    ((2, 2), ((17, 256, 512, 3, 1, 1), (19, 512, 512, 3, 1, 1), (21, 512, 512, 3, 1, 1))),
    ((2, 2), ((24, 512, 512, 3, 1, 1), (26, 512, 512, 3, 1, 1), (28, 512, 512, 3, 1, 1))),
)


class ConvolutionalFeatures(RecognitionFeatures):
    """Five feature maps of a plain convolutional network, each after its last ReLU, with weights of a file.

    ``weights`` is a state dict of the whole network, whose classifier is not read: `.pth` or `.pt` of torchvision,
    `.pdparams` of Paddle, or `.safetensors`, with torchvision's keys: ``features.N.weight``, ``features.N.bias``.
    """

    def __init__(self, recognizer: str, stages: tuple[Stage, ...], weights: str | None, smallest: int) -> None:
        super().__init__()
        self.recognizer, self.smallest, self.layers = recognizer, smallest, len(stages)
        path = user_weights(recognizer, weights)
        self.stages = stages
        # Zeros, not a random start: weights are loaded next, and the run's random numbers must not move.
        zeros = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        # Named as in the published files, so that keys need no table.
        self.features = nn.LayerDict(
            {
                str(place): Conv2D(*shape, padding=padding, weight_attr=zeros, bias_attr=zeros)
                for _, convolutions in stages
                for place, *shape, padding in convolutions
            }
        )
        tensors = {name: array for name, array in read_tensors(path).items() if name.startswith("features.")}
        set_weights(self, tensors, str(path))
        self.fingerprint = sha256_of(path)
        self.register_buffer("_mean", paddle.to_tensor(IMAGENET_MEAN).reshape([1, 3, 1, 1]), persistable=False)
        self.register_buffer("_std", paddle.to_tensor(IMAGENET_STD).reshape([1, 3, 1, 1]), persistable=False)
        self.freeze()

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each feature map."""
        return tuple(convolutions[-1][2] for _, convolutions in self.stages)

    def maps(self, rgb_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
        """See `RecognitionFeatures`."""
        x, features = (rgb_b3hw - self._mean) / self._std, []
        for pool, convolutions in self.stages:
            if pool is not None:
                x = max_pool2d(x, *pool)
            for place, *_ in convolutions:
                x = self.features[str(place)](x, RELU)
            features.append(x)
        return features


class AlexNetFeatures(ConvolutionalFeatures):
    """AlexNet's five ReLU layers, with weights that the user has."""

    @checked
    def __init__(self, weights: str | None = None) -> None:
        super().__init__("alexnet", ALEXNET, weights, smallest=31)


class Vgg16Features(ConvolutionalFeatures):
    """The last ReLU of each of VGG-16's five stages, with weights that the user has.

    Johnson, Alahi and Fei-Fei (2016) compare the first four of these layers, LPIPS all five.
    """

    @checked
    def __init__(self, weights: str | None = None) -> None:
        super().__init__("vgg16", VGG16, weights, smallest=16)


@checked
def pretrained_features(
    network: Literal["efficientnet_lite0", "efficientnet_lite2", "alexnet", "vgg16"] = "efficientnet_lite2",
    weights: str | None = None,
) -> RecognitionFeatures:
    """Build the network that a configuration's ``features`` names; AlexNet and VGG-16 need a file of weights."""
    if network in ("alexnet", "vgg16"):
        return (AlexNetFeatures if network == "alexnet" else Vgg16Features)(weights)
    if weights is not None:
        raise UserError(
            f"{network} has the weights of its package: take weights=null, or network=vgg16 with '{weights}'"
        )
    return EfficientNetLiteFeatures(network.removeprefix("efficientnet_"))
