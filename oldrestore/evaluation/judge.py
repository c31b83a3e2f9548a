"""The recognition judge: a pretrained ImageNet classifier that looks at photographs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import paddle
from PIL import Image
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.files import sha256_of
from oldrestore.models.efficientnet_lite import (
    VARIANTS,
    EfficientNetLiteNetwork,
    Variant,
    normalize,
    package_weights,
)
from oldrestore.models.engine import Engine

CLASSES = 1000
# Making one takes seconds, and several runs and evaluations of a process ask the same judge: by weights, size, device.
_engines: dict[tuple[str, int, str], Engine] = {}


class Answers(NamedTuple):
    """What a judge says of N photographs."""

    probabilities: np.ndarray  # float32 (N, 1000)
    features: np.ndarray | None  # of its last layer but one, float32 (N, F); None if it has none


class Judge(ABC):
    """Says what a photograph shows."""

    name: str  # for tables
    fingerprint: str  # sha256 (hex) of the weights file: judgements of equal fingerprints are comparable
    sees: str = ""  # how a photograph is cut and resized for it, in words; part of what a protocol pins

    @abstractmethod
    def probabilities(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities of the 1000 ImageNet classes, float32 (N, 1000), of uint8 sRGB (H, W, 3) of any size each."""

    def answers(self, photos: Sequence[np.ndarray]) -> Answers:
        """Return its probabilities with the features that they are computed from."""
        return Answers(self.probabilities(photos), None)


class _Answering(paddle.nn.Layer):
    """A classifier's probabilities and features in one array (B, 1000 + F), for a function of one result."""

    def __init__(self, classifier: paddle.nn.Layer):
        super().__init__()
        self.classifier = classifier

    def forward(self, rgb_b3ss: paddle.Tensor) -> paddle.Tensor:
        logits, features = self.classifier(rgb_b3ss)
        return paddle.concat([paddle.nn.functional.softmax(logits), features], axis=1)


class NetworkJudge(Judge):
    """A judge made of a network and the way its photographs are cut."""

    def __init__(
        self,
        name: str,
        fingerprint: str,
        # makes a layer: RGB 0..255 float32 (B, 3, size, size) -> logits (B, 1000), features (B, F)
        classifier: Callable[[], paddle.nn.Layer],
        cut: Callable[[np.ndarray], np.ndarray],  # uint8 (H, W, 3) of any size -> uint8 (size, size, 3)
        size: int,
        batch_size: int,
        sees: str = "",
    ):
        self.name, self.fingerprint, self.sees = name, fingerprint, sees
        self._cut, self._batch_size = cut, batch_size
        key = (fingerprint, size, paddle.device.get_device())
        if key not in _engines:
            _engines[key] = Engine(_Answering(classifier()), size)
        self._engine = _engines[key]

    def probabilities(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        """See Judge."""
        return self.answers(photos).probabilities

    def answers(self, photos: Sequence[np.ndarray]) -> Answers:
        """See Judge."""
        parts = [] if photos else [np.zeros((0, CLASSES), np.float32)]
        for start in range(0, len(photos), self._batch_size):
            cut = np.stack([self._cut(photo) for photo in photos[start : start + self._batch_size]])
            parts.append(self._engine(np.ascontiguousarray(cut.transpose(0, 3, 1, 2), dtype=np.float32)))
        said = np.concatenate(parts)
        return Answers(np.ascontiguousarray(said[:, :CLASSES]), said[:, CLASSES:])


class _Normalized(paddle.nn.Layer):
    def __init__(self, network: EfficientNetLiteNetwork):
        super().__init__()
        self.network = network

    def forward(self, rgb_b3ss: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        features = self.network.pooled(normalize(rgb_b3ss))
        return self.network.classifier(features), features


class EfficientNetLite(NetworkJudge):
    """EfficientNet-lite with the ImageNet weights of its package.

    lite0, the default judge, sees 224 x 224 pixels, lite1 240 x 240. lite2 sees 260 x 260, is a little stronger, and
    unfit to judge a model whose frozen encoder it is.
    """

    @checked
    def __init__(self, variant: Variant = "lite0", batch_size: Annotated[int, Field(ge=1)] = 16):
        size = VARIANTS[variant].size
        super().__init__(
            name=f"efficientnet_{variant}",
            fingerprint=sha256_of(package_weights(variant)),
            classifier=lambda: _Normalized(EfficientNetLiteNetwork.from_package(variant)),
            cut=lambda photo: central_square(photo, size),
            size=size,
            batch_size=batch_size,
            sees=f"central {size} / {size + 32} of the shorter side at {size}, bicubic",
        )


def central_square(photo: np.ndarray, size: int) -> np.ndarray:
    """Cut the central size / (size + 32) of the shorter side and resize it, bicubic, as EfficientNet does.

    uint8 (H, W, 3) -> uint8 (size, size, 3). 224 of 256 in the usual way of putting it. Pillow's bicubic
    averages over what falls into a pixel, so large photographs do not alias.
    """
    height, width = photo.shape[:2]
    side = min(height, width) * size / (size + 32)
    left, top = (width - side) / 2, (height - side) / 2
    image = Image.fromarray(photo)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)))
