"""Where NaN began: planted in a known layer, term or gradient, it is found there; without any, no bit changes."""

import math
from functools import partial

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore.batch import Batch, Prediction
from oldrestore.losses.adversarial import Hinge
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.losses.composite import Composite
from oldrestore.models.convolution import Conv2D, Sequential
from oldrestore.models.eccv16 import Eccv16
from oldrestore.training.adversarial import AdversarialLearner
from oldrestore.training.first_nan import FoundOriginError, WatchedLearner
from oldrestore.training.supervised import SupervisedLearner
from tests.run.same_run import assert_same_tensors
from tests.training.smallest import Line, Scale, SquaredError, flat, floats


class Spoiled(paddle.autograd.PyLayer):
    """The identity, except that its value is infinite (a rectifier would hide NaN) or its gradient NaN."""

    @staticmethod
    def forward(ctx, x, part):
        ctx.part = part
        return x + math.inf if part == "value" else x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * math.nan if ctx.part == "gradient" else dy


class Spoiling(Conv2D):
    part = None

    def forward(self, x, activation=None):
        y = super().forward(x, activation)
        return y if self.part is None else Spoiled.apply(y, self.part)


class Tower(nn.Layer):
    """Three convolutions with batch norm, the second of which can be spoiled."""

    predicts = frozenset({"ab"})
    reads = ("L_b1hw",)

    def __init__(self):
        super().__init__()
        self.low = Sequential(Conv2D(1, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2D(4))
        self.middle = Sequential(Spoiling(4, 4, 3, padding=1), nn.ReLU())
        self.high = Conv2D(4, 2, 1)

    def forward(self, L_b1hw):
        return Prediction(ab=self.high(self.middle(self.low(L_b1hw))))


class RootedError(SquaredError):
    """Distance, whose derivative at 0 is infinite: 0 x infinity is NaN."""

    def forward(self, prediction, batch):
        return paddle.sqrt((prediction.ab * 0) ** 2).mean()


class AbsentError(SquaredError):
    def forward(self, prediction, batch):
        return super().forward(prediction, batch) * math.nan


@pytest.fixture
def batch() -> Batch:
    rng = np.random.default_rng(0)
    return Batch(*(paddle.to_tensor(rng.normal(size=(2, c, 8, 8)).astype(np.float32)) for c in (1, 2)))


def learner(make=Tower, loss=None, rate=0.01) -> SupervisedLearner:
    paddle.seed(0)
    optimizer = partial(paddle.optimizer.Adam, learning_rate=rate)
    return SupervisedLearner(make(), loss or SquaredError(), optimizer)


def origin_of(one: SupervisedLearner, batch: Batch, iteration: int = 3) -> tuple[str, str]:
    with pytest.raises(FoundOriginError) as found:
        WatchedLearner(one).step([batch], iteration, False)
    assert found.value.origin.iteration == iteration
    return found.value.origin.stage, found.value.origin.words


@pytest.mark.parametrize(
    ("part", "origin"),
    [
        ("value", ("network", "in the layer middle.0 (Spoiling)")),
        ("gradient", ("gradient of network", "in the gradient of the layer middle.0 (Spoiling)")),
    ],
)
def test_a_layer_is_named_forward_and_backward(batch, part, origin):
    one = learner()
    one.network.middle[0].part = part
    assert origin_of(one, batch) == origin


@pytest.mark.parametrize(
    ("loss", "stage", "words"),
    [
        (AbsentError(), "loss", "in the loss (AbsentError), whose prediction is finite (at most "),
        (RootedError(), "gradient of loss", "in the gradient of the loss (RootedError), whose value is finite"),
    ],
)
@pytest.mark.parametrize("in_a_sum", [False, True])
def test_a_term_is_named_by_its_value_and_by_its_gradient(batch, loss, stage, words, in_a_sum):
    if in_a_sum:
        loss = Composite({"good": {"loss": SquaredError()}, "bad": {"loss": loss, "weight": 0.5}})
        words = words.replace("the loss", "the term 'bad' of the loss")
    found = origin_of(learner(loss=loss), batch)
    assert found[0] == stage and found[1].startswith(words)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_weights_that_are_not_finite_are_named_with_the_layer(batch):
    one = learner()
    one.network.high.weight.set_value(paddle.full([2, 4, 1, 1], math.inf))
    assert origin_of(one, batch) == ("network", "in the layer high (Conv2D), whose weights are not finite")


@pytest.mark.filterwarnings("ignore:overflow")
def test_an_input_and_an_update_are_named(batch):
    assert origin_of(learner(), flat(math.nan, 1.0)) == ("network", "in the input L_b1hw")
    stage, words = origin_of(learner(rate=1e39), batch)
    assert (stage, words) == ("update", "in the update of the weights, from gradients that are finite")


def test_a_discriminator_is_named():
    sgd = partial(paddle.optimizer.SGD, learning_rate=0.1)
    one = AdversarialLearner(Scale(), SquaredError(), sgd, Line(math.inf), sgd, Hinge())
    stage, words = origin_of(one, flat(1.0, 3.0))
    assert (stage, words) == ("discriminator", "in the layer discriminator (Line), whose weights are not finite")


def test_watched_steps_are_the_same_bit_for_bit():
    """Kernels, moving averages of batch norm and all."""
    rng = np.random.default_rng(1)
    batches = [Batch.from_rgb(paddle.to_tensor(rng.integers(0, 256, (2, 32, 32, 3), np.uint8))) for _ in range(4)]

    def trained(watched: bool):
        one = learner(partial(Eccv16, width=0.0625), SoftCrossEntropy())
        steps = WatchedLearner(one).step if watched else one.step
        return one, [floats(steps([batch], i, False)) for i, batch in enumerate(batches)]

    (plain, losses), (watched, same) = trained(False), trained(True)
    assert same == losses
    assert_same_tensors(watched.checkpoint(), plain.checkpoint())
