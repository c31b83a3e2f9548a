"""Distances of features of photographs against NumPy in float64, with a small network and with the real ones."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from oldrestore.config.build import build
from oldrestore.config.pairs import choices
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import EfficientNetLite
from oldrestore.losses.perceptual import Lpips, Perceptual
from oldrestore.scoring.judged import refuse_taught_by_judge
from oldrestore.training.supervised import SupervisedLearner
from tests.losses import reference
from tests.losses.test_every_loss import random_lpips
from tests.models import plain_networks

pytestmark = reference.on_a_cpu

LOSSES = choices("loss")
MIXING = np.random.default_rng(5).normal(size=(4, 3))


class SmallFeatures(paddle.nn.Layer):
    """Two layers: channels mixed and squared, and the means of 2 x 2 blocks of that."""

    layers = 2
    recognizer, fingerprint = "small", "0"

    def __init__(self):
        super().__init__()
        weight = paddle.to_tensor(MIXING.reshape(4, 3, 1, 1).astype(np.float32))
        self.weight = self.create_parameter([4, 3, 1, 1])
        self.weight.set_value(weight)
        self.weight.stop_gradient = True

    def forward(self, rgb_b3hw):
        first = paddle.nn.functional.conv2d(rgb_b3hw, self.weight).square()
        return [first, paddle.nn.functional.avg_pool2d(first, 2)]


def small_features(rgb):
    first = np.einsum("oc,bchw->bohw", MIXING, rgb) ** 2
    size = first.shape
    return [first, first.reshape(*size[:2], size[2] // 2, 2, size[3] // 2, 2).mean(axis=(3, 5))]


def formula(ab, L, truth, weights=(0.5, 0.5), power=1, relative=True):
    total = 0.0
    recolored, original = (small_features(reference.recolored(x, L)) for x in (ab, truth.astype(np.float64)))
    for weight, f, g in zip(weights, recolored, original, strict=True):
        distance = (np.abs(f - g) ** power).mean(axis=(1, 2, 3))
        total = total + weight * (distance / (np.abs(g) ** power).mean(axis=(1, 2, 3)) if relative else distance)
    return total.mean()


OPTIONS = [
    ({}, {}),
    ({"relative": False}, {"relative": False}),
    ({"distance": "l2"}, {"power": 2}),
    ({"relative": False, "layer_weights": [0.0, 3.0]}, {"relative": False, "weights": (0, 3)}),
]


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize(("settings", "expected"), OPTIONS)
def test_value_and_gradient_against_float64(settings, expected, factor):
    L, truth = reference.photographs()
    ab = np.random.default_rng(2).uniform(-15, 15, (2, 2, 8 // factor, 8 // factor)).astype(np.float32)
    reference.check(
        Perceptual(SmallFeatures(), **settings),
        ab,
        reference.make_batch(truth, L),
        lambda given: formula(given, L, truth, **expected),
        step=1e-5,
    )


def test_limits():
    L, truth = reference.photographs()
    batch = reference.make_batch(truth, L)
    value, gradient = reference.evaluate(Perceptual(SmallFeatures()), truth, batch)
    assert value == 0.0 and np.isfinite(gradient).all()
    # A photograph all black has no features to be relative to.
    dark = reference.make_batch(0 * truth, 0 * L)
    value, gradient = reference.evaluate(Perceptual(SmallFeatures()), truth, dark)
    assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_weights": [1.0]}, "layer_weights must be 2 numbers, or null"),
        ({"layer_weights": [1.0, -1.0]}, r"layer_weights\.1 must be greater than or equal to 0, not -1"),
        ({"layer_weights": [0.0, 0.0]}, "layer_weights must have a number above 0"),
    ],
)
def test_weights_that_do_not_fit_the_layers_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        Perceptual(SmallFeatures(), **settings)


def test_the_default_features_are_the_package_s_and_do_not_learn():
    L, truth = reference.photographs(number=1, side=32)
    loss = build(LOSSES["perceptual"])
    value, gradient = reference.evaluate(loss, 0.3 * truth, reference.make_batch(truth, L))
    rgb = [paddle.to_tensor(reference.recolored(ab, L).astype(np.float32)) for ab in (0.3 * truth, truth)]
    maps = zip(*map(loss.features, rgb), strict=True)
    assert value == pytest.approx(np.mean([float((f - g).abs().mean() / g.abs().mean()) for f, g in maps]), rel=1e-3)
    assert (gradient != 0).any()
    assert all(p.grad is None and p.stop_gradient for p in loss.parameters())


def test_lpips_is_the_network_s_distance(tmp_path):
    L, truth = reference.photographs(number=2, side=32)
    ab = 0.3 * truth
    node = LOSSES["lpips"]
    loss = build(node | {"network": node["network"] | random_lpips(tmp_path)})
    assert isinstance(loss, Lpips) and loss.reads == {"ab"}
    weights = plain_networks.random_weights("alexnet"), plain_networks.random_linear_weights("alexnet")
    pictures = [reference.recolored(x.astype(np.float64), L) for x in (ab, truth)]
    expected = plain_networks.lpips("alexnet", *weights, *pictures)
    batch = reference.make_batch(truth, L)
    value, gradient = reference.evaluate(loss, ab, batch)
    # Features of pictures that are nearly alike: their difference keeps fewer of float32's digits.
    assert value == pytest.approx(expected.mean(), rel=1e-4)
    step = 0.3
    moved = [
        plain_networks.lpips("alexnet", *weights, reference.recolored(ab + d * gradient, L), pictures[1]).mean()
        for d in (step, -step)
    ]
    assert (gradient.astype(np.float64) ** 2).sum() == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-2)
    assert reference.evaluate(loss, truth, batch)[0] == 0.0
    reference.check_parts(loss, ab, truth, L)
    reference.check_half_precision(loss, ab, batch)


def test_lpips_without_weights_is_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"name both files, backbone_weights .*alexnet.* and linear_weights"):
        build(LOSSES["lpips"])


def test_the_judge_must_not_be_the_network_trained_on():
    loss = build(LOSSES["ddcolor"])
    with pytest.raises(UserError, match="the judge efficientnet_lite2 is the network whose features the loss"):
        refuse_taught_by_judge(loss, EfficientNetLite("lite2"))
    refuse_taught_by_judge(loss, EfficientNetLite("lite0"))
    # By its file too, whatever it is called.
    small = Perceptual(SmallFeatures())
    with pytest.raises(UserError, match="take another judge"):
        refuse_taught_by_judge(small, SimpleNamespace(name="other", fingerprint="0"))
    refuse_taught_by_judge(small, SimpleNamespace(name="other", fingerprint="1"))


def test_ddcolor_is_the_weighted_sum_of_its_terms():
    L, truth = reference.photographs(number=1, side=32)
    values, _ = reference.terms(build(LOSSES["ddcolor"]), reference.make_batch(truth, L), ab=0.3 * truth)
    expected = 0.1 * values["l1"] + 5 * values["perceptual"] + 0.5 * values["colorfulness"]
    assert values["loss"] == pytest.approx(expected, rel=1e-6)
    assert values["l1"] == pytest.approx(0.7 * np.abs(truth).sum(axis=1).mean() / 110, rel=1e-5)


def test_checkpoints_hold_nothing_of_the_features():
    sgd = lambda parameters, grad_clip: paddle.optimizer.SGD(0.1, parameters, grad_clip=grad_clip)  # noqa: E731
    learner = SupervisedLearner(paddle.nn.Linear(1, 1), Perceptual(SmallFeatures()), sgd)
    assert {name.split(".")[0] for name in learner.checkpoint().tensors} <= {"model", "optimizer"}
    assert not any("features" in name for name in learner.checkpoint().tensors)
