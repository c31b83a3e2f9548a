"""The cross-entropy over 313 bins with its options, alone and together: against its definition, limits, refusals."""

import itertools
import math

import numpy as np
import paddle
import pytest

from oldrestore.color.bins import AB_BINS
from oldrestore.color.prior import rebalancing_weights
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.errors import UserError
from oldrestore.losses.class_weights import EffectiveNumber, Rebalance
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.losses.label_smoothing import NeighbourSmoothing, UniformSmoothing
from tests.losses import reference
from tests.losses.reference import PRIOR, classification_loss, dense_target, slope_along

PIXELS = 1e6
UNIFORM = {"share": 0.2}
RING = {"share": 0.3, "neighbours": 8, "sigma": 7.0}


def random_case(batch: int = 3, side: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and colours at four times their size."""
    return reference.of_bins(batch, (side, side), factor=4, size=80.0)


def prepared(**settings) -> SoftCrossEntropy:
    loss = SoftCrossEntropy(**settings)
    loss.prepare(prior=PRIOR, prior_pixels=PIXELS)
    return loss


def evaluate(loss: SoftCrossEntropy, logits: np.ndarray, ab: np.ndarray, dtype: str = "float32"):
    return reference.evaluate(loss, logits, reference.make_batch(ab), dtype)


def smoothing_of(settings: dict | None):
    if settings is None:
        return None
    return NeighbourSmoothing(**settings) if "neighbours" in settings else UniformSmoothing(**settings)


@pytest.mark.parametrize(
    "weights", [None, Rebalance(lambda_=0.1, alpha=0.7, clamp=4.0), EffectiveNumber(0.999)], ids=["even", "prior", "n"]
)
@pytest.mark.parametrize("smoothing", [None, UNIFORM, RING], ids=["exact", "uniform", "ring"])
def test_every_combination_against_its_definition_in_float64(weights, smoothing):
    logits, ab = random_case()
    ab[1] *= 0.05  # a gray photograph
    direction = np.random.default_rng(1).normal(size=logits.shape)
    bin_weights = None if weights is None else weights.weights(PRIOR, PIXELS)
    combinations = [(5, *both) for both in itertools.product((0.0, 0.5, 2.0), (0.0, 1.5))]
    for neighbours, gamma, tau in [(1, 0.0, 0.0), (10, 0.0, 0.0), *combinations]:
        options = {"rebalance": weights, "smoothing": smoothing_of(smoothing)}
        loss = prepared(neighbours=neighbours, focal_gamma=gamma, logit_adjustment=tau, **options)
        given = {"bin_weights": bin_weights, "smoothing": smoothing, "gamma": gamma, "offset": tau * np.log(PRIOR)}

        def exact(z, ab=ab, given=given, neighbours=neighbours):
            return classification_loss(z, ab, neighbours, **given)

        value, gradient = evaluate(loss, logits, ab)
        assert value == pytest.approx(exact(logits), rel=1e-5)
        along = gradient.astype(np.float64) * direction
        assert along.sum() == pytest.approx(slope_along(exact, logits, direction), abs=1e-6 * np.abs(along).sum())
        assert (gradient[1] == 0).all()


def test_one_pixel_worked_out_by_hand():
    # Two bins matter: z = ln 3 at the target, 0 at the 312 others: p = 3 / 315.
    logits = np.zeros((1, 313, 1, 1), np.float32)
    logits[0, 100] = math.log(3.0)
    ab = AB_BINS[100].reshape(1, 2, 1, 1)
    p, other = 3 / 315, 1 / 315
    for settings, value in (
        ({}, -math.log(p)),
        ({"focal_gamma": 2.0}, -((1 - p) ** 2) * math.log(p)),
        ({"smoothing": UniformSmoothing(0.1)}, -(0.9 + 0.1 / 313) * math.log(p) - 0.1 * 312 / 313 * math.log(other)),
        ({"smoothing": UniformSmoothing(1.0)}, -math.log(p) / 313 - 312 / 313 * math.log(other)),
        ({"smoothing": NeighbourSmoothing(0.1)}, -0.9 * math.log(p) - 0.1 * math.log(other)),
    ):
        assert evaluate(SoftCrossEntropy(neighbours=1, **settings), logits, ab)[0] == pytest.approx(value, rel=1e-6)


def test_options_at_their_limits_are_cross_entropy():
    logits, ab = random_case()
    plain, plain_gradient = evaluate(SoftCrossEntropy(), logits, ab)
    for settings in (
        {"focal_gamma": 0.0},
        {"smoothing": UniformSmoothing(0.0)},
        {"smoothing": NeighbourSmoothing(0.0)},
        {"logit_adjustment": 0.0},
        {"rebalance": Rebalance(lambda_=1.0)},
        {"rebalance": EffectiveNumber(0.0)},
        {"rebalance": Rebalance(lambda_=1.0), "weighting": "gradient"},
        {"weighting": "gradient"},
    ):
        value, gradient = evaluate(prepared(**settings), logits, ab)
        assert value == pytest.approx(plain, rel=1e-6), settings
        np.testing.assert_allclose(gradient, plain_gradient, atol=1e-7)
    # And close to them: the limits are no special cases.
    assert evaluate(prepared(focal_gamma=1e-6), logits, ab)[0] == pytest.approx(plain, rel=1e-5)
    assert evaluate(prepared(smoothing=UniformSmoothing(1e-6)), logits, ab)[0] == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("constant", [0.0, 1000.0, -1e6])
def test_uniform_logits_give_ln_313(constant):
    _, ab = random_case()
    logits = np.full((3, 313, 2, 2), constant, np.float32)
    tolerance = {"rel": 5e-6, "abs": abs(constant) * 1e-6}
    focal = (312 / 313) ** 2 * math.log(313)
    for smoothing in (None, UniformSmoothing(0.4), NeighbourSmoothing(0.4)):
        plain = SoftCrossEntropy(smoothing=smoothing)
        assert evaluate(plain, logits, ab)[0] == pytest.approx(math.log(313), **tolerance)
        loss = SoftCrossEntropy(focal_gamma=2.0, smoothing=smoothing)
        assert evaluate(loss, logits, ab)[0] == pytest.approx(focal, **tolerance)
    # Logits tau ln prior away from uniform cancel the adjustment.
    adjusted = logits - 1.3 * np.log(PRIOR).reshape(1, -1, 1, 1).astype(np.float32)
    value, _ = evaluate(prepared(logit_adjustment=1.3), adjusted, ab)
    assert value == pytest.approx(math.log(313), rel=5e-6, abs=abs(constant) * 1e-6)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_a_perfect_prediction_and_a_wrong_one(gamma):
    # Soft targets cost their entropy at least; hard ones nothing.
    _, ab = random_case(batch=1, side=1)
    t, nearest = dense_target(ab[0, :, 0, 0], 5, 5.0, None)
    logits = np.where(t > 0, np.log(np.maximum(t, 1e-300)), -100.0).astype(np.float32).reshape(1, 313, 1, 1)
    value, gradient = evaluate(SoftCrossEntropy(), logits, ab)
    assert value == pytest.approx(-(t[t > 0] * np.log(t[t > 0])).sum(), rel=1e-5)
    assert np.abs(gradient).max() < 1e-6
    logits = np.zeros((1, 313, 1, 1), np.float32)
    logits[0, nearest] = 1e4
    hard = SoftCrossEntropy(neighbours=1, focal_gamma=gamma)
    value, gradient = evaluate(hard, logits, ab)
    assert value == 0.0 and np.abs(gradient).max() < 1e-30
    # A sure and wrong one costs its margin.
    wrong = (nearest + 7) % 313
    logits[0, nearest], logits[0, wrong] = 0.0, 1000.0
    value, gradient = evaluate(hard, logits, ab)
    assert value == pytest.approx(1000.0, abs=1e-3)
    assert gradient[0, wrong].sum() == pytest.approx(1.0) and gradient[0, nearest].sum() == pytest.approx(-1.0)


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


@reference.on_a_cpu
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_extreme_logits_and_half_precision_are_exact(dtype):
    rng = np.random.default_rng(3)
    logits, ab = random_case()
    logits = rng.choice([-1e4, 0.0, 3.0, 1e4], size=logits.shape).astype(np.float32)
    whole = paddle.to_tensor(logits).astype(dtype).astype("float32").numpy()
    for smoothing, gamma, tau in itertools.product((None, UNIFORM, RING), (0.0, 0.5, 2.0), (0.0, 1.0)):
        options = {"smoothing": smoothing_of(smoothing), "focal_gamma": gamma, "logit_adjustment": tau}
        value, gradient = evaluate(prepared(rebalance=Rebalance(), **options), logits, ab, dtype)
        given = {"smoothing": smoothing, "gamma": gamma, "offset": tau * np.log(PRIOR)}
        expected = classification_loss(whole, ab, bin_weights=rebalancing_weights(PRIOR), **given)
        assert value == pytest.approx(expected, rel=1e-5) and np.isfinite(gradient).all()
        # The slopes of a pixel along all logits cancel: a constant added to all changes nothing.
        assert np.abs(gradient.sum(axis=1, dtype=np.float64)).max() < (1e-5 if dtype == "float32" else 5e-2)
    with paddle.amp.auto_cast(dtype="bfloat16", level="O1"):
        assert evaluate(prepared(rebalance=Rebalance(), **options), logits, ab, dtype)[0] == value


def test_a_colour_that_the_prior_lacks_is_adjusted_by_a_finite_amount():
    logits, ab = random_case()
    loss = SoftCrossEntropy(logit_adjustment=2.0)
    loss.prepare(prior=np.eye(313)[0])
    value, gradient = evaluate(loss, logits, ab)
    offset = 2.0 * np.log(np.maximum(np.eye(313)[0], 1e-9))
    assert value == pytest.approx(classification_loss(logits, ab, offset=offset), rel=1e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({"focal_gamma": 2.0, "smoothing": UniformSmoothing()}, set()),
        ({"logit_adjustment": 1.0}, {"prior"}),
        ({"rebalance": Rebalance()}, {"prior"}),
        ({"rebalance": EffectiveNumber()}, {"prior", "prior_pixels"}),
    ],
)
def test_what_each_needs(settings, needs):
    logits, ab = random_case()
    loss = SoftCrossEntropy(**settings)
    assert loss.needs == needs
    if not needs:
        return
    with pytest.raises(RuntimeError, match="must be prepared with prior"):
        evaluate(loss, logits, ab)
    with pytest.raises(TypeError, match="prior"):
        loss.prepare()
    loss.prepare(prior=np.ones(313), prior_pixels=7.0)
    loss.prepare(prior=PRIOR, prior_pixels=PIXELS)  # again, for other data: the last one counts
    assert evaluate(loss, logits, ab)[0] == evaluate(prepared(**settings), logits, ab)[0]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cross_entropy", {}),
        ("hard_cross_entropy", {"neighbours": 1}),
        ("rebalanced_cross_entropy", {"rebalance": Rebalance()}),
        ("gradient_rebalanced_cross_entropy", {"rebalance": Rebalance(), "weighting": "gradient"}),
        ("label_smoothing", {"smoothing": UniformSmoothing(0.1)}),
        ("neighbour_smoothing", {"smoothing": NeighbourSmoothing(0.1, 8, 10.0)}),
        ("focal", {"focal_gamma": 2.0}),
        ("effective_number", {"rebalance": EffectiveNumber(0.999999)}),
        ("logit_adjustment", {"logit_adjustment": 1.0}),
    ],
)
def test_configurations_build_what_they_say(name, settings):
    loss = build(compose_config([f"loss={name}"]).loss)
    loss.prepare(prior=PRIOR, prior_pixels=PIXELS)
    logits, ab = random_case(batch=2)
    own, gradient = evaluate(loss, logits, ab)
    value, wanted = evaluate(prepared(**({"neighbours": 10} | settings)), logits, ab)
    assert own == value
    np.testing.assert_array_equal(gradient, wanted)


def test_mistyped_settings_and_infinite_weights_are_refused():
    with pytest.raises(UserError, match=r"loss\.focal_gamma must be greater than or equal to 0"):
        compose_config(["loss=focal", "loss.focal_gamma=-2"])
    with pytest.raises(UserError, match=r"loss\.rebalance\.beta must be less than 1"):
        compose_config(["loss=effective_number", "loss.rebalance.beta=1"])
    with pytest.raises(UserError, match="clamp"):
        SoftCrossEntropy(rebalance=Rebalance(lambda_=0.0)).prepare(prior=np.eye(313)[0])
