"""SqueezeNet 1.1 as a judge: another architecture than the EfficientNets, weaker, and more in need of colour."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import paddle
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.packages.squeezenet import FETCH, PACKAGE, SHA256, VERSION, fetched_weights
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import NetworkJudge, central_square
from oldrestore.files import sha256_of
from oldrestore.models.squeezenet import SIZE, SqueezeNet


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
