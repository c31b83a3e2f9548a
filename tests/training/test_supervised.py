"""The supervised learner: it learns, averages gradients and weights as said, and resumes exactly."""

from dataclasses import replace
from functools import partial

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch
from oldrestore.losses.adversarial import Hinge
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.losses.composite import Composite
from oldrestore.losses.weight_schedule import Linear, PiecewiseConstant
from oldrestore.models.eccv16 import Eccv16
from oldrestore.training.adversarial import AdversarialLearner
from oldrestore.training.supervised import SupervisedLearner
from tests.training.smallest import Line, Scale, SquaredError, assert_resumes_exactly, flat, floats


def learner(loss=None, **settings) -> SupervisedLearner:
    sgd = partial(paddle.optimizer.SGD, learning_rate=0.1)
    return SupervisedLearner(Scale(), loss or SquaredError(), sgd, **settings)


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


def test_the_norm_of_the_gradient_is_that_before_it_is_clipped_whole_and_by_block():
    one = learner(gradient_clip=0.5)
    scalars = floats(one.step([flat(1.0, 3.0)], 0, measure_gradients=True))
    assert scalars == pytest.approx({"loss": 9.0, "gradient_norm": 6.0, "gradient_norm/w": 6.0})


def test_the_moving_average_is_what_is_evaluated():
    averaged = learner(ema_decay=0.9)
    network = averaged.network
    averaged.step([flat(1.0, 3.0)], 0)
    # The first update's decay is 2/11: average = 2/11 * 0 + 9/11 * 0.6.
    with averaged.evaluation_weights():
        assert (network.w.item(), network.training) == (pytest.approx(0.6 * 9 / 11), False)
    assert (network.w.item(), network.training) == (pytest.approx(0.6), True)


@pytest.mark.parametrize("amp", ["float16", "bfloat16"])
def test_mixed_precision_on_a_cpu_is_refused(amp, monkeypatch, refusal):
    monkeypatch.setattr(paddle, "get_device", lambda: "cpu")
    assert f"amp={amp} needs a GPU" in refusal(learner, amp=amp)


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
    batches = [photographs(i) for i in range(6)]
    _, checkpoint = assert_resumes_exactly(partial(small_eccv16, ema_decay=0.9), batches, stop=3)
    assert {"model.model1.0.weight", "optimizer.model8.6.bias_moment1_0"} < checkpoint.tensors.keys()


def scheduled() -> Composite:
    weights = {"steady": 0.1, "rising": Linear(0.0, 2.0, until=8)}
    return Composite({name: {"weight": weight, "loss": SquaredError()} for name, weight in weights.items()})


def learner_of_a_scheduled_loss() -> SupervisedLearner:
    return SupervisedLearner(Scale(), scheduled(), partial(paddle.optimizer.Adam, learning_rate=0.1))


def steps(one, start: int, end: int) -> list[dict[str, float]]:
    return [floats(one.step([flat(1.0, 3.0)], iteration)) for iteration in range(start, end)]


def test_a_scheduled_weight_scales_the_update():
    # loss = weight (w - 3)^2 for L = 1, ab = 3: gradient -6 weight at w = 0, and then -6 + 2 w times the next weight.
    loss = Composite({"error": {"weight": PiecewiseConstant([0.5, 2.0], [1]), "loss": SquaredError()}})
    one = learner(loss=loss)
    first, second = steps(one, 0, 2)
    assert (first["loss"], first["error"], first["weight/error"]) == pytest.approx((4.5, 9.0, 0.5))
    assert (second["loss"], second["error"], second["weight/error"]) == pytest.approx((2 * 2.7**2, 2.7**2, 2.0))
    assert one.network.w.item() == pytest.approx(0.3 + 0.1 * 2 * 2 * 2.7)


def test_a_resumed_run_has_the_weights_of_one_that_was_not_stopped():
    whole, _ = assert_resumes_exactly(learner_of_a_scheduled_loss, [flat(1.0, 3.0)] * 6, stop=3)
    assert [scalars["weight/rising"] for scalars in whole] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_the_adversarial_learner_takes_its_loss_along():
    still = partial(paddle.optimizer.SGD, learning_rate=0.0)
    game = AdversarialLearner(Scale(), scheduled(), still, Line(0.5), still, Hinge(), pretrain_iterations=100)
    for iteration, weight in ((0, 0.0), (4, 1.0), (20, 2.0)):
        (scalars,) = steps(game, iteration, iteration + 1)
        assert scalars["weight/rising"] == weight
        assert scalars["loss"] == pytest.approx((0.1 + weight) * 9.0)


def test_validation_sees_the_loss_of_the_last_update():
    one = learner_of_a_scheduled_loss()
    steps(one, 5, 6)
    found = floats(one.evaluate(flat(1.0, 3.0)))
    assert found["weight/rising"] == 1.25
    assert found["loss"] == pytest.approx(1.35 * found["steady"])
    # A resumed run may begin with a validation that was still due; a run's checkpoint holds the updates made.
    resumed = learner_of_a_scheduled_loss()
    checkpoint = one.checkpoint()
    resumed.restore(replace(checkpoint, state={**checkpoint.state, "iteration": 6}))
    assert floats(resumed.evaluate(flat(1.0, 3.0))) == found


def test_the_network_sees_lightness_as_old_film_did_and_the_loss_the_truth():
    one, batch = small_eccv16(), photographs(0)
    seen = replace(batch, film_b1hw=100.0 - batch.L_b1hw)
    read = one.predict(replace(batch, L_b1hw=seen.film_b1hw)).logits.numpy()
    np.testing.assert_array_equal(one.predict(seen).logits.numpy(), read)
    with paddle.no_grad():
        expected = float(one.loss(one.predict(seen), batch))
    assert float(one.evaluate(seen)["loss"]) == expected
