"""Learners take a loss to the update that they make: scheduled weights follow, also after a resumed run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import paddle
import pytest

from oldrestore.losses.composite import Composite
from oldrestore.losses.weight_schedule import Linear, PiecewiseConstant
from oldrestore.training.adversarial import AdversarialLearner
from oldrestore.training.supervised import SupervisedLearner
from tests.training.test_adversarial import Hinge, Line, Scale, SquaredError, flat


def scheduled() -> Composite:
    return Composite(
        {
            "steady": {"weight": 0.1, "loss": SquaredError()},
            "rising": {"weight": Linear(0.0, 2.0, until=8), "loss": SquaredError()},
        }
    )


def supervised() -> SupervisedLearner:
    return SupervisedLearner(Scale(), scheduled(), partial(paddle.optimizer.Adam, learning_rate=0.1))


def steps(learner, start: int, end: int) -> list[dict[str, float]]:
    taken = (learner.step([flat(1.0, 3.0)], iteration) for iteration in range(start, end))
    return [{name: float(value) for name, value in scalars.items()} for scalars in taken]


def test_a_scheduled_weight_scales_the_update():
    # loss = weight (w - 3)^2 for L = 1, ab = 3: gradient -6 weight at w = 0, and then -6 + 2 w times the next weight.
    loss = Composite({"error": {"weight": PiecewiseConstant([0.5, 2.0], [1]), "loss": SquaredError()}})
    learner = SupervisedLearner(Scale(), loss, partial(paddle.optimizer.SGD, learning_rate=0.1))
    first, second = steps(learner, 0, 2)
    assert (first["loss"], first["error"], first["weight/error"]) == pytest.approx((4.5, 9.0, 0.5))
    assert (second["loss"], second["error"], second["weight/error"]) == pytest.approx((2 * 2.7**2, 2.7**2, 2.0))
    assert learner.network.w.item() == pytest.approx(0.3 + 0.1 * 2 * 2 * 2.7)


def test_a_resumed_run_has_the_weights_of_one_that_was_not_stopped():
    whole = steps(supervised(), 0, 6)
    stopped = supervised()
    before = steps(stopped, 0, 3)
    resumed = supervised()
    resumed.restore(stopped.checkpoint())
    assert before + steps(resumed, 3, 6) == whole
    assert [scalars["weight/rising"] for scalars in whole] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_the_adversarial_learner_takes_its_loss_along():
    game = AdversarialLearner(
        Scale(),
        scheduled(),
        partial(paddle.optimizer.SGD, learning_rate=0.0),
        Line(0.5),
        partial(paddle.optimizer.SGD, learning_rate=0.0),
        Hinge(),
        pretrain_iterations=100,
    )
    for iteration, weight in ((0, 0.0), (4, 1.0), (20, 2.0)):
        (scalars,) = steps(game, iteration, iteration + 1)
        assert scalars["weight/rising"] == weight
        assert scalars["loss"] == pytest.approx((0.1 + weight) * 9.0)


def test_validation_sees_the_loss_of_the_last_update():
    learner = supervised()
    steps(learner, 5, 6)
    found = {name: float(value) for name, value in learner.evaluate(flat(1.0, 3.0)).items()}
    assert found["weight/rising"] == 1.25
    assert found["loss"] == pytest.approx(1.35 * found["steady"])
    # A resumed run may begin with a validation that was still due; a run's checkpoint holds the updates made.
    resumed = supervised()
    checkpoint = learner.checkpoint()
    resumed.restore(replace(checkpoint, state={**checkpoint.state, "iteration": 6}))
    assert {name: float(value) for name, value in resumed.evaluate(flat(1.0, 3.0)).items()} == found
