"""The smallest network, discriminator, loss and batch there are: what they learn can be worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import paddle
from paddle import nn

from oldrestore.batch import Batch, Prediction
from oldrestore.losses.base import Loss


class Scale(nn.Layer):
    """ab = w * L, w being 0 at first."""

    predicts = frozenset({"ab"})
    reads = ("L_b1hw",)
    stride = 1

    def __init__(self):
        super().__init__()
        self.w = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, L_b1hw):
        return Prediction(ab=self.w * L_b1hw.expand([-1, 2, -1, -1]))


class Line(nn.Layer):
    """score = v * mean ab."""

    judges = "ab"

    def __init__(self, v: float):
        super().__init__()
        self.v = self.create_parameter([1], default_initializer=nn.initializer.Constant(v))

    def forward(self, shown):
        return SimpleNamespace(scores=self.v * shown.mean(axis=[1, 2, 3]), features=(shown,))

    def shown_fake(self, prediction, batch):
        return prediction.ab

    def shown_real(self, prediction, batch):
        return batch.ab_b2hw


class SquaredError(Loss):
    reads = frozenset({"ab"})

    def forward(self, prediction, batch):
        return ((prediction.ab - batch.ab_b2hw) ** 2).mean()


def flat(L: float, ab: float) -> Batch:
    return Batch(paddle.full([1, 1, 2, 2], L), paddle.full([1, 2, 2, 2], ab))


def floats(scalars) -> dict[str, float]:
    return {name: float(value) for name, value in scalars.items()}
