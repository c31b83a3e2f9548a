"""The adversarial learner: who is updated when, what is logged, and that it goes on exactly from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore.batch import Batch, Prediction
from oldrestore.data.inputs.holes import HoleInputs
from oldrestore.errors import UserError
from oldrestore.losses.adversarial import Hinge, Wasserstein
from oldrestore.losses.base import Loss
from oldrestore.losses.restoration import KnownUnknownL1
from oldrestore.models.patch_discriminator import PatchDiscriminator
from oldrestore.models.sagan import SaganRestorer
from oldrestore.training.adversarial import AdversarialLearner
from tests.generated_photographs import make_photograph


class Scale(nn.Layer):
    """ab = w * L: the smallest generator there is."""

    predicts = frozenset({"ab"})
    reads = ("L_b1hw",)
    stride = 1

    def __init__(self):
        super().__init__()
        self.w = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, L_b1hw):
        return Prediction(ab=self.w * L_b1hw.expand([-1, 2, -1, -1]))


@dataclass
class Said:
    scores: paddle.Tensor
    features: tuple


class Line(nn.Layer):
    """score = v * mean ab: the smallest discriminator there is."""

    judges = "ab"

    def __init__(self, v: float):
        super().__init__()
        self.v = self.create_parameter([1], default_initializer=nn.initializer.Constant(v))

    def forward(self, shown):
        return Said(self.v * shown.mean(axis=[1, 2, 3]), (shown,))

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


def game(v: float = 0.5, g_rate: float = 0.1, d_rate: float = 0.2, **settings) -> AdversarialLearner:
    return AdversarialLearner(
        Scale(),
        SquaredError(),
        partial(paddle.optimizer.SGD, learning_rate=g_rate),
        Line(v),
        partial(paddle.optimizer.SGD, learning_rate=d_rate),
        Hinge(),
        **settings,
    )


def test_one_step_of_the_game_is_the_one_worked_out_by_hand():
    # L = 1, ab = 3, w = 0, v = 0.5. Scores: real 1.5, fake 0. Hinge: max(0, 1 - 3v) + max(0, 1 + 0) has gradient 0 in v
    # (real is right by more than 1, fake is 0 whatever v). G: (w - 3)^2 - 2 v w has gradient -6 - 2 * 0.5 = -7.
    one = game(adversarial_weight=2.0)
    scalars = {name: float(value) for name, value in one.step([flat(1.0, 3.0)], 0).items()}
    assert scalars["d_real"] == pytest.approx(1.5)
    assert scalars["d_fake"] == pytest.approx(0.0)
    assert scalars["d_loss"] == pytest.approx(1.0)
    assert scalars["d_gradient_norm"] == pytest.approx(0.0)
    assert scalars["g_adversarial"] == pytest.approx(0.0)
    assert scalars["g_gradient_norm"] == pytest.approx(7.0)
    assert scalars["loss"] == pytest.approx(9.0)
    assert one.network.w.item() == pytest.approx(0.7)
    assert one.discriminator.v.item() == pytest.approx(0.5)


def test_the_discriminator_moves_first_and_by_its_own_rate():
    # v = 0.2: real 0.6 is within the margin, so the gradient in v is -3 and v becomes 0.2 + 0.2 * 3 = 0.8;
    # the generator then meets 0.8: gradient -6 - 0.8, w = 0.68.
    one = game(v=0.2, adversarial_weight=1.0)
    one.step([flat(1.0, 3.0)], 0)
    assert one.discriminator.v.item() == pytest.approx(0.8)
    assert one.network.w.item() == pytest.approx(0.68)


def test_before_its_iteration_the_discriminator_takes_no_part():
    one = game(v=0.2, adversarial_weight=1.0, pretrain_iterations=1)
    scalars = one.step([flat(1.0, 3.0)], 0)
    assert one.discriminator.v.item() == pytest.approx(0.2)
    assert one.network.w.item() == pytest.approx(0.6)
    assert not any(name.startswith("d_") for name in scalars)
    assert "d_real" in one.step([flat(1.0, 3.0)], 1)


def test_steps_of_each_take_batches_of_their_own():
    # Three steps of the discriminator on ab = 1 (gradient -1 each while v * 1 < 1): 0.2 -> 0.4 -> 0.6 -> 0.8.
    one = game(v=0.2, adversarial_weight=0.0, discriminator_steps=3)
    assert one.accumulate == 3
    one.step([flat(0.0, 1.0)] * 3, 0)
    assert one.discriminator.v.item() == pytest.approx(0.8)
    # Two of the generator: w = 0 -> 0.6 -> 0.6 + 0.2 * 2.4.
    two = game(adversarial_weight=0.0, generator_steps=2)
    assert two.accumulate == 2
    two.step([flat(1.0, 3.0)] * 2, 0)
    assert two.network.w.item() == pytest.approx(1.08)


def test_accumulation_averages_gradients_and_clipping_bounds_them():
    # Gradients of the loss -6 (ab = 3) and -2 (ab = 1) average to -4.
    two = game(adversarial_weight=0.0, accumulate_batches=2)
    assert two.accumulate == 2
    two.step([flat(1.0, 3.0), flat(1.0, 1.0)], 0)
    assert two.network.w.item() == pytest.approx(0.4)
    clipped = game(v=0.2, adversarial_weight=0.0, gradient_clip=0.5)
    scalars = clipped.step([flat(1.0, 3.0)], 0)
    assert clipped.network.w.item() == pytest.approx(0.05)
    assert clipped.discriminator.v.item() == pytest.approx(0.3)
    assert float(scalars["g_gradient_norm"]) == pytest.approx(6.0)


def test_the_schedule_multiplies_both_rates():
    halved = game(v=0.2, adversarial_weight=0.0, schedule=lambda iteration: 0.5)
    halved.step([flat(1.0, 3.0)], 0)
    assert halved.network.w.item() == pytest.approx(0.3)
    assert halved.discriminator.v.item() == pytest.approx(0.5)
    assert halved.learning_rate(0) == pytest.approx(0.05)


def test_matched_features_pull_the_generator():
    # feature = the ab itself: d/dw |w - 3| = -1, weight 4; with the loss's -6: w = 1.0.
    one = game(adversarial_weight=0.0, feature_weight=4.0)
    scalars = one.step([flat(1.0, 3.0)], 0)
    assert float(scalars["g_feature"]) == pytest.approx(3.0)
    assert one.network.w.item() == pytest.approx(1.0)


def test_validation_has_no_part_of_the_discriminator():
    one = game(adversarial_weight=5.0)
    assert {name: float(value) for name, value in one.evaluate(flat(1.0, 3.0)).items()} == {"loss": 9.0}


def test_what_is_judged_must_be_predicted():
    sgd = paddle.optimizer.SGD
    with pytest.raises(UserError, match=r"judges rgb but Scale predicts ab.*discriminator\.judges"):
        AdversarialLearner(Scale(), SquaredError(), sgd, PatchDiscriminator(width=0.125), sgd, Hinge())


@pytest.mark.parametrize("amp", ["float16", "bfloat16"])
def test_mixed_precision_on_a_cpu_is_refused(amp, monkeypatch):
    monkeypatch.setattr(paddle, "get_device", lambda: "cpu")
    with pytest.raises(UserError, match=f"amp={amp} needs a GPU"):
        game(amp=amp)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("amp", ["float16", "bfloat16"])
def test_mixed_precision_goes_through_the_same_steps(amp, monkeypatch):
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    mixed = game(v=0.2, adversarial_weight=1.0, amp=amp)
    mixed.step([flat(1.0, 3.0)], 0)
    assert mixed.discriminator.v.item() == pytest.approx(0.8)
    assert mixed.network.w.item() == pytest.approx(0.68)


def damaged(seed: int, count: int = 2) -> Batch:
    rgb = np.stack([make_photograph(10 * seed + i, 32) for i in range(count)])
    return HoleInputs()(paddle.to_tensor(rgb), ["a", "b"][:count], np.random.default_rng(seed))


def sagan(adversarial=None, attention_scale=4, **settings) -> AdversarialLearner:
    paddle.seed(0)
    adam = partial(paddle.optimizer.Adam, beta1=0.0, beta2=0.9)
    return AdversarialLearner(
        SaganRestorer(width=0.125),
        KnownUnknownL1(),
        partial(adam, learning_rate=1e-3),
        PatchDiscriminator(width=0.125, attention_scale=attention_scale),
        partial(adam, learning_rate=4e-3),
        adversarial or Hinge(),
        **{"adversarial_weight": 0.1, "feature_weight": 1.0, "pretrain_iterations": 2, "ema_decay": 0.9} | settings,
    )


def test_going_on_from_a_checkpoint_is_bit_identical():
    whole, first = sagan(), sagan()
    batches = [damaged(i) for i in range(6)]

    def run(learner, numbers):
        return [{k: float(v) for k, v in learner.step([batches[i]], i).items()} for i in numbers]

    expected = run(whole, range(6))
    run(first, range(4))
    paddle.seed(99)  # what a fresh process would have drawn elsewhere must not matter
    second = sagan()
    second.restore(first.checkpoint())
    assert run(second, range(4, 6)) == expected[4:]
    ours, theirs = second.checkpoint(), whole.checkpoint()
    assert ours.state == theirs.state
    assert ours.tensors.keys() == theirs.tensors.keys()
    assert {"model.trunk.attention.f.u", "discriminator.score.u", "ema.trunk.attention.gamma"} < ours.tensors.keys()
    assert "discriminator_optimizer.score.weight_moment1_0" in ours.tensors
    for name, value in theirs.tensors.items():
        np.testing.assert_array_equal(ours.tensors[name], value, err_msg=name)


def test_curves_hold_the_gamma_of_every_attention_block():
    one = sagan()
    scalars = [one.step([damaged(0)], i) for i in range(4)][-1]
    gammas = {name: float(value) for name, value in scalars.items() if name.startswith("gamma_")}
    assert gammas.keys() == {"gamma_g_trunk.attention", "gamma_d_layers.1.2"}
    assert all(value != 0 for value in gammas.values())
    assert all(value.shape == [] for value in scalars.values())


def test_a_gradient_penalty_trains_without_attention_and_is_refused_with_it():
    one = sagan(Wasserstein(10.0), attention_scale=None, pretrain_iterations=0)
    assert np.isfinite([float(one.step([damaged(i)], i)["d_loss"]) for i in range(3)]).all()
    with pytest.raises(UserError, match="attention_scale=null"):
        sagan(Wasserstein(10.0), pretrain_iterations=0).step([damaged(0)], 0)
