"""The recognition networks whose features a loss can look at, chosen by name; EfficientNet-lite's stand here."""

from __future__ import annotations

from typing import Literal

import paddle

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.models.efficientnet_lite import EfficientNetLiteNetwork, Variant, normalize, package_weights
from oldrestore.models.plain_features import AlexNetFeatures, Vgg16Features
from oldrestore.models.recognition_features import RecognitionFeatures


class EfficientNetLiteFeatures(RecognitionFeatures):
    """Features of EfficientNet-lite at strides 4, 8, 16 and 32, with the ImageNet weights of its package.

    Parameters
    ----------
    variant : {"lite0", "lite2"}
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


@checked
def pretrained_features(
    network: Literal["efficientnet_lite0", "efficientnet_lite2", "alexnet", "vgg16"] = "efficientnet_lite2",
    weights: str | None = None,
) -> RecognitionFeatures:
    """Make one of the networks here, chosen by name: what a configuration's ``features`` builds.

    Parameters
    ----------
    network : str
        EfficientNet-lite has the weights of its package; the two others need a file.
    weights : str or None
        See `ConvolutionalFeatures`.
    """
    if network in ("alexnet", "vgg16"):
        return (AlexNetFeatures if network == "alexnet" else Vgg16Features)(weights)
    if weights is not None:
        raise UserError(
            f"{network} has the weights of its package: take weights=null, or network=vgg16 with '{weights}'"
        )
    return EfficientNetLiteFeatures(network.removeprefix("efficientnet_"))
