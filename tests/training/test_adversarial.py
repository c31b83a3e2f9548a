"""The adversarial learner: who is updated when, what is logged, and that it resumes exactly from a checkpoint."""

from functools import partial

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch
from oldrestore.data.inputs.holes import HoleInputs
from oldrestore.errors import UserError
from oldrestore.losses.adversarial import Hinge, Wasserstein
from oldrestore.losses.restoration import KnownUnknownL1
from oldrestore.models.patch_discriminator import PatchDiscriminator
from oldrestore.models.sagan import SaganRestorer
from oldrestore.training.adversarial import AdversarialLearner
from oldrestore.training.supervised import SupervisedLearner
from tests.generated_photographs import make_photograph
from tests.training.smallest import Line, Scale, SquaredError, assert_resumes_exactly, flat, floats


def game(v: float = 0.2, adversarial_weight: float = 0.0, **settings) -> AdversarialLearner:
    return AdversarialLearner(
        Scale(),
        SquaredError(),
        partial(paddle.optimizer.SGD, learning_rate=0.1),
        Line(v),
        partial(paddle.optimizer.SGD, learning_rate=0.2),
        Hinge(),
        adversarial_weight=adversarial_weight,
        **settings,
    )


# Settings, batches as (L, ab), and by hand: the network's w, the discriminator's v, and scalars. At first w = 0.
BY_HAND = {
    # v = 0.5. Scores: real 1.5, fake 0. Hinge: max(0, 1 - 3v) + max(0, 1 + 0) has gradient 0 in v (real is right by
    # more than 1, fake is 0 whatever v). G: (w - 3)^2 - 2 v w has gradient -6 - 2 * 0.5 = -7.
    "one step": (
        {"v": 0.5, "adversarial_weight": 2.0},
        [(1, 3)],
        (0.7, 0.5),
        {"d_real": 1.5, "d_fake": 0, "d_loss": 1, "d_gradient_norm": 0, "g_adversarial": 0, "g_gradient_norm": 7}
        | {"loss": 9},
    ),
    # Real 0.6 is within the margin: the gradient in v is -3 and v becomes 0.2 + 0.2 * 3; the generator then meets 0.8.
    "the discriminator first": ({"adversarial_weight": 1.0}, [(1, 3)], (0.68, 0.8), {}),
    "the discriminator later": ({"adversarial_weight": 1, "pretrain_iterations": 1}, [(1, 3)], (0.6, 0.2), {"loss": 9}),
    # Gradient -1 each while v * 1 < 1: 0.2 -> 0.4 -> 0.6 -> 0.8.
    "three steps of the discriminator": ({"discriminator_steps": 3}, [(0, 1)] * 3, (0, 0.8), {}),
    "two steps of the generator": ({"v": 0.5, "generator_steps": 2}, [(1, 3)] * 2, (0.6 + 0.2 * 2.4, 0.5), {}),
    # Gradients of the loss -6 (ab = 3) and -2 (ab = 1) average to -4.
    "accumulation": ({"v": 0.5, "accumulate_batches": 2}, [(1, 3), (1, 1)], (0.4, 0.6), {}),
    "clipping": ({"gradient_clip": 0.5}, [(1, 3)], (0.05, 0.3), {"g_gradient_norm": 6}),
    "a schedule": ({"schedule": lambda iteration: 0.5}, [(1, 3)], (0.3, 0.5), {}),
    # feature = the ab itself: d/dw |w - 3| = -1, weight 4; with the loss's -6.
    "matched features": ({"v": 0.5, "feature_weight": 4.0}, [(1, 3)], (1.0, 0.5), {"g_feature": 3}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_an_iteration_is_the_one_worked_out_by_hand(name):
    settings, batches, (w, v), wanted = BY_HAND[name]
    one = game(**settings)
    assert one.accumulate == len(batches)
    scalars = floats(one.step([flat(*batch) for batch in batches], 0))
    assert (one.network.w.item(), one.discriminator.v.item()) == pytest.approx((w, v))
    assert {name: scalars[name] for name in wanted} == pytest.approx(wanted)


def test_rates_follow_the_schedule_and_the_discriminator_begins_at_its_iteration():
    one = game(pretrain_iterations=1, schedule=lambda iteration: 0.5)
    assert one.learning_rate(0) == pytest.approx(0.05)
    assert not any(name.startswith("d_") for name in one.step([flat(1.0, 3.0)], 0))
    assert "d_real" in one.step([flat(1.0, 3.0)], 1)


def test_validation_has_no_part_of_the_discriminator():
    one = game(adversarial_weight=5.0)
    assert floats(one.evaluate(flat(1.0, 3.0))) == {"loss": 9.0}


def test_what_is_judged_must_be_predicted():
    sgd = paddle.optimizer.SGD
    with pytest.raises(UserError, match=r"judges rgb but Scale predicts ab.*discriminator\.judges"):
        AdversarialLearner(Scale(), SquaredError(), sgd, PatchDiscriminator(width=0.125), sgd, Hinge())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("amp", ["float16", "bfloat16"])
def test_mixed_precision_goes_through_the_same_steps(amp, monkeypatch):
    # As far as a CPU can show: with a GPU's name the casts and the scaler are set up, and on a CPU change nothing.
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    sgd = partial(paddle.optimizer.SGD, learning_rate=0.1)
    supervised, mixed = SupervisedLearner(Scale(), SquaredError(), sgd, amp=amp), game(adversarial_weight=1.0, amp=amp)
    for each in (supervised, mixed):
        each.step([flat(1.0, 3.0)], 0)
    weights = supervised.network.w, mixed.network.w, mixed.discriminator.v
    assert [weight.item() for weight in weights] == pytest.approx([0.6, 0.68, 0.8])


def damaged(seed: int) -> Batch:
    rgb = np.stack([make_photograph(10 * seed + i, 32) for i in range(2)])
    return HoleInputs()(paddle.to_tensor(rgb), ["a", "b"], np.random.default_rng(seed))


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


def test_resuming_is_bit_identical():
    _, checkpoint = assert_resumes_exactly(sagan, [damaged(i) for i in range(6)], stop=4)
    kept = {"model.trunk.attention.f.u", "discriminator.score.u", "ema.trunk.attention.gamma"}
    assert kept | {"discriminator_optimizer.score.weight_moment1_0"} < checkpoint.tensors.keys()


def test_curves_hold_the_gamma_of_every_attention_block():
    one = sagan()
    scalars = [one.step([damaged(0)], i) for i in range(4)][-1]
    gammas = {name: float(value) for name, value in scalars.items() if name.startswith("gamma_")}
    assert gammas.keys() == {"gamma_g_trunk.attention", "gamma_d_layers.1.2"}
    assert all(value != 0 for value in gammas.values())
    assert all(value.shape == [] for value in scalars.values())


def test_a_gradient_penalty_trains_without_attention_and_is_refused_with_it(refusal):
    one = sagan(Wasserstein(10.0), attention_scale=None, pretrain_iterations=0)
    assert np.isfinite([float(one.step([damaged(i)], i)["d_loss"]) for i in range(3)]).all()
    attentive = sagan(Wasserstein(10.0), pretrain_iterations=0)
    assert "attention_scale=null" in refusal(attentive.step, [damaged(0)], 0)
