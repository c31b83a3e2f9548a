"""The smallest learners, whose updates can be worked out by hand, and what it means to resume exactly."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import paddle
from paddle import nn

from oldrestore.batch import Batch, Prediction
from oldrestore.losses.base import Loss
from oldrestore.training.checkpoint import Checkpoint
from tests.run.same_run import assert_same_tensors


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


class Judged(NamedTuple):
    scores: paddle.Tensor
    features: tuple[paddle.Tensor, ...]


class Line(nn.Layer):
    """score = v * mean ab."""

    judges = "ab"

    def __init__(self, v: float):
        super().__init__()
        self.v = self.create_parameter([1], default_initializer=nn.initializer.Constant(v))

    def forward(self, shown):
        return Judged(self.v * shown.mean(axis=[1, 2, 3]), (shown,))

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


def assert_resumes_exactly(make: Callable, batches: Sequence[Batch], stop: int) -> tuple[list[dict], Checkpoint]:
    """A learner that resumes after `stop` updates is one that never stopped; returns what that one logged and keeps."""

    def run(learner, start: int, end: int) -> list[dict[str, float]]:
        return [floats(learner.step([batches[i]], i)) for i in range(start, end)]

    whole, stopped = make(), make()
    logged = run(whole, 0, len(batches))
    run(stopped, 0, stop)
    paddle.seed(99)  # the random state of a fresh process must not matter
    resumed = make()
    resumed.restore(stopped.checkpoint())
    assert run(resumed, stop, len(batches)) == logged[stop:]
    ours, theirs = resumed.checkpoint(), whole.checkpoint()
    assert ours.state == theirs.state
    assert_same_tensors(ours, theirs)
    return logged, theirs
