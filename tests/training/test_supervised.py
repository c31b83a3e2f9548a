"""The supervised learner: it learns, averages gradients and weights as said, and resumes exactly."""

from __future__ import annotations

from functools import partial

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch
from oldrestore.errors import UserError
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.models.eccv16 import Eccv16
from oldrestore.training.supervised import SupervisedLearner
from tests.training.smallest import Scale, SquaredError, flat


def learner(**settings) -> SupervisedLearner:
    return SupervisedLearner(Scale(), SquaredError(), partial(paddle.optimizer.SGD, learning_rate=0.1), **settings)


# loss = (w - 3)^2 for L = 1, ab = 3: at w = 0 it is 9 and its gradient -6, so that w becomes 0.6 at a rate of 0.1.
@pytest.mark.parametrize(
    ("settings", "colors", "loss", "w"),
    [
        ({}, [3], 9, 0.6),
        ({"accumulate": 2}, [3, 1], 5, 0.4),  # gradients -6 and -2 average to -4
        ({"gradient_clip": 0.5}, [3], 9, 0.05),
        ({"schedule": lambda iteration: 0.5}, [3], 9, 0.3),
    ],
)
def test_one_update_is_the_one_worked_out_by_hand(settings, colors, loss, w):
    one = learner(**settings)
    assert float(one.step([flat(1.0, ab) for ab in colors], 0)["loss"]) == pytest.approx(loss)
    assert one.network.w.item() == pytest.approx(w)
    assert one.learning_rate(0) == pytest.approx(0.05 if "schedule" in settings else 0.1)


def test_the_moving_average_is_what_is_evaluated():
    averaged = learner(ema_decay=0.9)
    averaged.step([flat(1.0, 3.0)], 0)
    # The first update's decay is 2/11: average = 2/11 * 0 + 9/11 * 0.6.
    with averaged.evaluation_weights():
        assert averaged.network.w.item() == pytest.approx(0.6 * 9 / 11)
        assert not averaged.network.training
    assert averaged.network.w.item() == pytest.approx(0.6)
    assert averaged.network.training


@pytest.mark.parametrize("amp", ["float16", "bfloat16"])
def test_mixed_precision_on_a_cpu_is_refused(amp, monkeypatch):
    monkeypatch.setattr(paddle, "get_device", lambda: "cpu")
    with pytest.raises(UserError, match=f"amp={amp} needs a GPU"):
        learner(amp=amp)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("amp", ["float16", "bfloat16"])
def test_mixed_precision_goes_through_the_same_steps(amp, monkeypatch):
    # As far as a CPU can show: with a GPU's name the casts and the scaler are set up, and on a CPU change nothing.
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    mixed = learner(amp=amp)
    mixed.step([flat(1.0, 3.0)], 0)
    assert mixed.network.w.item() == pytest.approx(0.6)


def photographs(seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    return Batch.from_rgb(paddle.to_tensor(coarse.repeat(8, axis=1).repeat(8, axis=2)))


def small_eccv16(**settings) -> SupervisedLearner:
    paddle.seed(0)
    make = partial(paddle.optimizer.Adam, learning_rate=2e-3)
    return SupervisedLearner(Eccv16(width=0.125), SoftCrossEntropy(), make, **settings)


def test_eccv16_overfits_two_photographs():
    one = small_eccv16()
    batch = photographs(0)
    losses = [float(one.step([batch], i)["loss"]) for i in range(60)]
    assert losses[0] == pytest.approx(np.log(313), rel=0.05)
    assert losses[-1] < 0.5 * losses[0]


def test_resuming_is_bit_identical():
    whole, first = small_eccv16(ema_decay=0.9), small_eccv16(ema_decay=0.9)
    batches = [photographs(i) for i in range(6)]
    expected = [float(whole.step([b], i)["loss"]) for i, b in enumerate(batches)]
    for i, batch in enumerate(batches[:3]):
        first.step([batch], i)
    second = small_eccv16(ema_decay=0.9)
    second.restore(first.checkpoint())
    assert [float(second.step([b], i)["loss"]) for i, b in enumerate(batches[3:], 3)] == expected[3:]
    ours, theirs = second.checkpoint(), whole.checkpoint()
    assert ours.tensors.keys() == theirs.tensors.keys()
    assert {"model.model1.0.weight", "optimizer.model8.6.bias_moment1_0"} < ours.tensors.keys()
    for name, value in theirs.tensors.items():
        np.testing.assert_array_equal(ours.tensors[name], value, err_msg=name)
