"""VGG-16, the judge of the literature's tables, with weights that the user has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import paddle
from PIL import Image
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import NetworkJudge
from oldrestore.files import sha256_of
from oldrestore.models.weights import PICKLED, load_weights, read_tensors, set_weights

SIZE = 224
SHORTER_SIDE = 256
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PADDLE_CACHE = Path("~/.cache/paddle/hapi/weights")


class _PreparedVgg16(paddle.nn.Layer):
    """VGG-16 on RGB 0..255: the channels in the order that its mean and standard deviation are in."""

    def __init__(self, network: paddle.nn.Layer):
        super().__init__()
        self.network = network
        self.register_buffer("mean", paddle.to_tensor(IMAGENET_MEAN).reshape([1, 3, 1, 1]), persistable=False)
        self.register_buffer("std", paddle.to_tensor(IMAGENET_STD).reshape([1, 3, 1, 1]), persistable=False)

    def forward(self, rgb_b3ss: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        x = self.network.features((rgb_b3ss / 255.0 - self.mean) / self.std)
        *hidden, last = self.network.classifier
        features = paddle.nn.Sequential(*hidden)(self.network.avgpool(x).flatten(1))
        return last(features), features


class Vgg16(NetworkJudge):
    """VGG-16 (Simonyan and Zisserman 2015), about 71% top-1 on ImageNet's validation photographs.

    `weights` is a `.safetensors` or `.pdparams` file of `paddle.vision.models.vgg16`, or a `.pth` of torchvision's. By
    default what Paddle itself has downloaded before to ~/.cache/paddle/hapi/weights. Nothing is downloaded here.
    """

    @checked
    def __init__(self, weights: str | None = None, batch_size: Annotated[int, Field(ge=1)] = 16):
        path = find_weights(weights)
        super().__init__(
            name="vgg16",
            fingerprint=sha256_of(path),
            classifier=lambda: _PreparedVgg16(load_vgg16(path)),
            cut=resize_and_cut,
            size=SIZE,
            batch_size=batch_size,
            sees=f"shorter side at {SHORTER_SIDE}, bilinear, central {SIZE}",
        )


def find_weights(weights: str | None) -> Path:
    """Find the weights file, or say where to put one."""
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise UserError(f"judge.weights: there is no file '{weights}'")
        if path.suffix not in (".safetensors", *PICKLED):
            raise UserError(
                f"judge.weights: '{weights}' must be a file of VGG-16's weights: .safetensors, {', '.join(PICKLED)}"
            )
        return path
    cached = sorted(PADDLE_CACHE.expanduser().glob("vgg16*.pdparams"))
    cached = [path for path in cached if "bn" not in path.stem]
    if not cached:
        raise UserError(
            f"the judge vgg16 has no weights: put vgg16.pdparams into {PADDLE_CACHE}, name a file by "
            "judge.weights=FILE, or use judge=efficientnet_lite0, whose weights are installed"
        )
    return cached[0]


def load_vgg16(path: Path) -> paddle.nn.Layer:
    """Build Paddle's VGG-16 with the weights of a file; the run's random numbers do not move."""
    state = paddle.get_rng_state()
    network = paddle.vision.models.vgg16(pretrained=False)
    paddle.set_rng_state(state)
    if path.suffix in (".pth", ".pt"):
        # PyTorch's fully connected layers are (out, in), Paddle's (in, out).
        tensors = {name: array.T if array.ndim == 2 else array for name, array in read_tensors(path).items()}
        set_weights(network, tensors, str(path))
    else:
        load_weights(network, path)
    network.eval()
    return network


def resize_and_cut(photo: np.ndarray) -> np.ndarray:
    """Resize the shorter side to 256, bilinear with antialiasing, and cut the central 224 x 224.

    uint8 (H, W, 3) -> uint8 (224, 224, 3).
    """
    height, width = photo.shape[:2]
    scale = SHORTER_SIDE / min(height, width)
    new_width, new_height = max(SIZE, round(width * scale)), max(SIZE, round(height * scale))
    image = Image.fromarray(photo).resize((new_width, new_height), Image.Resampling.BILINEAR)
    left, top = (new_width - SIZE) // 2, (new_height - SIZE) // 2
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))
