"""Label smoothing, focal, logit adjustment, effective number and gradient weighting, alone and together."""

from __future__ import annotations

import itertools
import math

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch, Prediction
from oldrestore.color.bins import AB_BINS
from oldrestore.color.prior import rebalancing_weights
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.errors import UserError
from oldrestore.losses.class_weights import EffectiveNumber, Rebalance
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.losses.label_smoothing import NeighbourSmoothing, UniformSmoothing
from tests.losses.dense_classification import classification_loss, dense_target, slope_along, softmax

PRIOR = np.random.default_rng(9).gamma(0.3, size=313) + 1e-6
PRIOR /= PRIOR.sum()
PIXELS = 1e6
UNIFORM = {"share": 0.2}
RING = {"share": 0.3, "neighbours": 8, "sigma": 7.0}
NAMES = [
    "cross_entropy",
    "hard_cross_entropy",
    "rebalanced_cross_entropy",
    "gradient_rebalanced_cross_entropy",
    "label_smoothing",
    "neighbour_smoothing",
    "focal",
    "effective_number",
    "logit_adjustment",
]


def random_case(
    batch: int = 3, side: int = 2, seed: int = 0, dtype: type = np.float32
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([4, seed])
    logits = rng.normal(0, 2, (batch, 313, side, side)).astype(dtype)
    return logits, rng.uniform(-80, 80, (batch, 2, 4 * side, 4 * side)).astype(np.float32)


def prepared(**settings) -> SoftCrossEntropy:
    loss = SoftCrossEntropy(**settings)
    loss.prepare(prior=PRIOR, prior_pixels=PIXELS)
    return loss


def evaluate(loss: SoftCrossEntropy, logits, ab: np.ndarray) -> tuple[float, np.ndarray]:
    tensor = logits.clone() if isinstance(logits, paddle.Tensor) else paddle.to_tensor(logits)
    tensor.stop_gradient = False
    ab = paddle.to_tensor(ab)
    value = loss(Prediction(logits=tensor), Batch(L_b1hw=paddle.full_like(ab[:, :1], 50.0), ab_b2hw=ab))
    value.backward()
    assert tensor.grad.dtype == tensor.dtype
    return float(value), tensor.grad.astype("float64").numpy()


def smoothing_of(settings: dict | None):
    if settings is None:
        return None
    return NeighbourSmoothing(**settings) if "neighbours" in settings else UniformSmoothing(**settings)


@pytest.mark.parametrize(
    "weights", [None, Rebalance(lambda_=0.2), EffectiveNumber(0.999)], ids=["even", "prior", "number"]
)
@pytest.mark.parametrize("smoothing", [None, UNIFORM, RING], ids=["exact", "uniform", "ring"])
def test_every_combination_against_its_definition_in_float64(weights, smoothing):
    logits, ab = random_case()
    ab[1] *= 0.05  # a gray photograph
    direction = np.random.default_rng(1).normal(size=logits.shape)
    for gamma, tau in itertools.product((0.0, 0.5, 2.0), (0.0, 1.5)):
        loss = prepared(rebalance=weights, smoothing=smoothing_of(smoothing), focal_gamma=gamma, logit_adjustment=tau)
        bin_weights = None if weights is None else weights.weights(PRIOR, PIXELS)
        reference = {"bin_weights": bin_weights, "smoothing": smoothing, "gamma": gamma, "offset": tau * np.log(PRIOR)}

        def exact(z, ab=ab, reference=reference):
            return classification_loss(z, ab, **reference)

        value, gradient = evaluate(loss, logits, ab)
        assert value == pytest.approx(exact(logits), rel=1e-5)
        along = gradient * direction
        assert along.sum() == pytest.approx(slope_along(exact, logits, direction), abs=1e-6 * np.abs(along).sum())
        assert (gradient[1] == 0).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("smoothing", [None, UNIFORM, RING], ids=["exact", "uniform", "ring"])
def test_the_gradient_against_finite_differences_of_the_loss_itself(gamma, smoothing):
    logits, ab = random_case(batch=2, dtype=np.float64)
    settings = {"smoothing": smoothing_of(smoothing), "focal_gamma": gamma, "logit_adjustment": 0.7}
    loss = prepared(rebalance=Rebalance(), **settings)
    rng = np.random.default_rng(2)
    _, gradient = evaluate(loss, logits, ab)
    for _ in range(2):
        direction = rng.normal(size=logits.shape)
        slope = slope_along(lambda z: evaluate(loss, z, ab)[0], logits, direction)
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-6)


def test_one_pixel_worked_out_by_hand():
    # Two bins matter: z = ln 3 at the target, 0 at the 312 others: p = 3 / 315.
    logits = np.zeros((1, 313, 1, 1), np.float32)
    logits[0, 100] = math.log(3.0)
    ab = AB_BINS[100].reshape(1, 2, 1, 1)
    p, other = 3 / 315, 1 / 315
    assert evaluate(SoftCrossEntropy(neighbours=1), logits, ab)[0] == pytest.approx(-math.log(p), rel=1e-6)
    focal = SoftCrossEntropy(neighbours=1, focal_gamma=2.0)
    assert evaluate(focal, logits, ab)[0] == pytest.approx(-((1 - p) ** 2) * math.log(p), rel=1e-6)
    even = SoftCrossEntropy(neighbours=1, smoothing=UniformSmoothing(0.1))
    value = -(0.9 + 0.1 / 313) * math.log(p) - 0.1 * 312 / 313 * math.log(other)
    assert evaluate(even, logits, ab)[0] == pytest.approx(value, rel=1e-6)
    ring = SoftCrossEntropy(neighbours=1, smoothing=NeighbourSmoothing(0.1))
    value = -0.9 * math.log(p) - 0.1 * math.log(other)
    assert evaluate(ring, logits, ab)[0] == pytest.approx(value, rel=1e-6)


def test_options_at_their_limits_are_cross_entropy():
    logits, ab = random_case()
    plain, plain_gradient = evaluate(SoftCrossEntropy(), logits, ab)
    for settings in (
        {"focal_gamma": 0.0},
        {"smoothing": UniformSmoothing(0.0)},
        {"smoothing": NeighbourSmoothing(0.0)},
        {"logit_adjustment": 0.0},
        {"rebalance": EffectiveNumber(0.0)},
        {"rebalance": EffectiveNumber(1e-12)},
        {"rebalance": Rebalance(lambda_=1.0), "weighting": "gradient"},
        {"weighting": "gradient"},
    ):
        value, gradient = evaluate(prepared(**settings), logits, ab)
        assert value == pytest.approx(plain, rel=1e-6), settings
        np.testing.assert_allclose(gradient, plain_gradient, atol=1e-8)
    # And close to them: the limits are no special cases.
    assert evaluate(prepared(focal_gamma=1e-6), logits, ab)[0] == pytest.approx(plain, rel=1e-5)
    assert evaluate(prepared(smoothing=UniformSmoothing(1e-6)), logits, ab)[0] == pytest.approx(plain, rel=1e-5)


def test_uniform_logits():
    _, ab = random_case()
    logits = np.zeros((3, 313, 2, 2), np.float32)
    for smoothing in (UniformSmoothing(0.4), NeighbourSmoothing(0.4)):
        assert evaluate(SoftCrossEntropy(smoothing=smoothing), logits, ab)[0] == pytest.approx(math.log(313), rel=1e-6)
    focal = (312 / 313) ** 2 * math.log(313)
    for smoothing in (None, UniformSmoothing(0.4), NeighbourSmoothing(0.4)):
        loss = SoftCrossEntropy(focal_gamma=2.0, smoothing=smoothing)
        assert evaluate(loss, logits, ab)[0] == pytest.approx(focal, rel=5e-6)
    # Logits tau ln prior away from uniform cancel the adjustment.
    adjusted = logits - 1.3 * np.log(PRIOR).reshape(1, -1, 1, 1).astype(np.float32)
    assert evaluate(prepared(logit_adjustment=1.3), adjusted, ab)[0] == pytest.approx(math.log(313), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_a_perfect_prediction(gamma):
    # Soft targets cost their entropy at least; hard ones nothing.
    _, ab = random_case(batch=1, side=1)
    t, nearest = dense_target(ab[0, :, 0, 0], 5, 5.0, None)
    logits = np.where(t > 0, np.log(np.maximum(t, 1e-300)), -100.0).astype(np.float32).reshape(1, 313, 1, 1)
    value, gradient = evaluate(SoftCrossEntropy(), logits, ab)
    assert value == pytest.approx(-(t[t > 0] * np.log(t[t > 0])).sum(), rel=1e-5)
    assert np.abs(gradient).max() < 1e-6
    logits = np.zeros((1, 313, 1, 1), np.float32)
    logits[0, nearest] = 1e4
    value, gradient = evaluate(SoftCrossEntropy(neighbours=1, focal_gamma=gamma), logits, ab)
    assert value == 0.0 and np.abs(gradient).max() < 1e-30


def test_what_smoothing_gives_away_costs_its_cross_entropy():
    # With share 1 nothing is left of the target.
    logits, ab = random_case()
    value, gradient = evaluate(SoftCrossEntropy(smoothing=UniformSmoothing(1.0)), logits, ab)
    z = logits.astype(np.float64).transpose(0, 2, 3, 1)
    p = softmax(z)
    assert value == pytest.approx(-np.log(p).mean(), rel=1e-6)
    np.testing.assert_allclose(gradient.transpose(0, 2, 3, 1), (p - 1 / 313) / 12, atol=1e-8)
    indices, weights = NeighbourSmoothing(1.0, neighbours=4).table()
    inside = int(np.flatnonzero((AB_BINS == 0).all(axis=1))[0])
    assert {tuple(c) for c in AB_BINS[indices[inside]]} == {(0, 10), (0, -10), (10, 0), (-10, 0)}
    np.testing.assert_allclose(weights[inside], 0.25, rtol=1e-6)
    assert inside not in indices[inside] and weights.sum() == pytest.approx(313, rel=1e-6)


@pytest.mark.parametrize("weights", [Rebalance(lambda_=0.1), EffectiveNumber(0.9999)], ids=["prior", "number"])
def test_gradient_and_loss_weighting_have_equal_gradients_and_different_values(weights):
    logits, ab = random_case(batch=4)
    ab[0] *= 0.01
    options = {"smoothing": UniformSmoothing(0.1), "focal_gamma": 1.0}
    of_loss, loss_gradient = evaluate(prepared(rebalance=weights, **options), logits, ab)
    value, gradient = evaluate(prepared(rebalance=weights, weighting="gradient", **options), logits, ab)
    np.testing.assert_array_equal(gradient, loss_gradient)
    assert value == evaluate(prepared(**options), logits, ab)[0]
    assert abs(value / of_loss - 1.0) > 0.05


def test_equal_splits_of_a_batch_average_to_the_whole():
    logits, ab = random_case(batch=6)
    options = {"smoothing": NeighbourSmoothing(), "focal_gamma": 2.0, "logit_adjustment": 1.0, "weighting": "gradient"}
    for loss in (prepared(rebalance=EffectiveNumber(0.999), **options), prepared(smoothing=UniformSmoothing())):
        value, gradient = evaluate(loss, logits, ab)
        parts = [evaluate(loss, logits[i : i + 2], ab[i : i + 2]) for i in (0, 2, 4)]
        assert value == pytest.approx(np.mean([part[0] for part in parts]), rel=1e-6)
        np.testing.assert_allclose(gradient, np.concatenate([part[1] for part in parts]) / 3, rtol=1e-5, atol=1e-8)


@pytest.mark.filterwarnings("ignore:amp_guard")
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_extreme_logits_and_half_precision_stay_finite(dtype):
    rng = np.random.default_rng(3)
    logits, ab = random_case()
    logits = paddle.to_tensor(rng.choice([-1e4, 0.0, 3.0, 1e4], size=logits.shape).astype(np.float32)).astype(dtype)
    whole = logits.astype("float32").numpy()
    for smoothing, gamma, tau in itertools.product((None, UNIFORM, RING), (0.0, 0.5, 2.0), (0.0, 1.0)):
        options = {"smoothing": smoothing_of(smoothing), "focal_gamma": gamma, "logit_adjustment": tau}
        value, gradient = evaluate(prepared(rebalance=Rebalance(), **options), logits, ab)
        reference = {"smoothing": smoothing, "gamma": gamma, "offset": tau * np.log(PRIOR)}
        expected = classification_loss(whole, ab, bin_weights=rebalancing_weights(PRIOR), **reference)
        assert value == pytest.approx(expected, rel=1e-5) and np.isfinite(gradient).all()
        # The slopes of a pixel along all logits cancel: a constant added to all changes nothing.
        assert np.abs(gradient.sum(axis=1)).max() < (1e-5 if dtype == "float32" else 5e-2)
    with paddle.amp.auto_cast(dtype="bfloat16", level="O1"):
        assert evaluate(prepared(rebalance=Rebalance(), **options), logits, ab)[0] == value


def test_a_colour_that_the_prior_lacks_is_adjusted_by_a_finite_amount():
    logits, ab = random_case()
    loss = SoftCrossEntropy(logit_adjustment=2.0)
    loss.prepare(prior=np.eye(313)[0])
    value, gradient = evaluate(loss, logits, ab)
    offset = 2.0 * np.log(np.maximum(np.eye(313)[0], 1e-9))
    assert value == pytest.approx(classification_loss(logits, ab, offset=offset), rel=1e-5)
    assert np.isfinite(gradient).all()


def test_what_each_needs():
    assert SoftCrossEntropy(focal_gamma=2.0, smoothing=UniformSmoothing()).needs == frozenset()
    assert SoftCrossEntropy(logit_adjustment=1.0).needs == {"prior"}
    assert SoftCrossEntropy(rebalance=EffectiveNumber()).needs == {"prior", "prior_pixels"}
    logits, ab = random_case()
    for settings in ({"logit_adjustment": 1.0}, {"rebalance": EffectiveNumber()}):
        loss = SoftCrossEntropy(**settings)
        with pytest.raises(RuntimeError, match="must be prepared with prior"):
            evaluate(loss, logits, ab)
        with pytest.raises(TypeError, match="prior"):
            loss.prepare()
        loss.prepare(prior=PRIOR, prior_pixels=PIXELS)
        assert not loss.state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_configurations_build_what_they_say(name):
    loss = build(compose_config([f"loss={name}"]).loss)
    loss.prepare(prior=PRIOR, prior_pixels=PIXELS)
    expected = {
        "hard_cross_entropy": {"neighbours": 1},
        "rebalanced_cross_entropy": {"rebalance": Rebalance()},
        "gradient_rebalanced_cross_entropy": {"rebalance": Rebalance(), "weighting": "gradient"},
        "label_smoothing": {"smoothing": UniformSmoothing(0.1)},
        "neighbour_smoothing": {"smoothing": NeighbourSmoothing(0.1, 8, 10.0)},
        "focal": {"focal_gamma": 2.0},
        "effective_number": {"rebalance": EffectiveNumber(0.999999)},
        "logit_adjustment": {"logit_adjustment": 1.0},
    }.get(name, {})
    logits, ab = random_case(batch=2)
    own, gradient = evaluate(loss, logits, ab)
    value, wanted = evaluate(prepared(**({"neighbours": 10} | expected)), logits, ab)
    assert own == value
    np.testing.assert_array_equal(gradient, wanted)


def test_mistyped_settings_are_refused_before_anything_is_built():
    with pytest.raises(UserError, match=r"loss\.focal_gamma must be greater than or equal to 0"):
        compose_config(["loss=focal", "loss.focal_gamma=-2"])
    with pytest.raises(UserError, match=r"loss\.rebalance\.beta must be less than 1"):
        compose_config(["loss=effective_number", "loss.rebalance.beta=1"])
    with pytest.raises(UserError, match=r"loss\.weighting must be 'loss' or 'gradient'"):
        compose_config(["loss=cross_entropy", "loss.weighting=both"])
