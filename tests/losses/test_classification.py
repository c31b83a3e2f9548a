import math

import numpy as np
import pytest

paddle = pytest.importorskip("paddle")

from oldrestore.batch import Batch, Prediction  # noqa: E402
from oldrestore.color.bins import AB_BINS  # noqa: E402
from oldrestore.color.prior import rebalancing_weights  # noqa: E402
from oldrestore.errors import UserError  # noqa: E402
from oldrestore.losses.base import Loss  # noqa: E402
from oldrestore.losses.classification import Rebalance, SoftCrossEntropy  # noqa: E402

PRIOR = np.random.default_rng(9).gamma(0.3, size=313) + 1e-6
PRIOR /= PRIOR.sum()


def make_batch(ab_b2hw: np.ndarray) -> Batch:
    ab = paddle.to_tensor(ab_b2hw.astype(np.float32))
    return Batch(L_b1hw=paddle.full_like(ab[:, :1], 50.0), ab_b2hw=ab)


def random_case(batch: int = 4, side: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (B, 313, side, side) and colours at four times that size."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (batch, 313, side, side)).astype(np.float32)
    return logits, rng.uniform(-80, 80, (batch, 2, 4 * side, 4 * side)).astype(np.float32)


def evaluate(loss: SoftCrossEntropy, logits: np.ndarray, ab: np.ndarray) -> tuple[float, np.ndarray]:
    tensor = paddle.to_tensor(logits, stop_gradient=False)
    value = loss(Prediction(logits=tensor), make_batch(ab))
    assert value.shape == [] and value.dtype == paddle.float32
    value.backward()
    return float(value), tensor.grad.numpy()


def dense_reference(
    logits: np.ndarray, ab: np.ndarray, neighbours: int, sigma: float, weights: np.ndarray | None
) -> tuple[float, np.ndarray]:
    """The definition, pixel by pixel, in float64 with dense targets: value and gradient."""
    logits, bins = logits.astype(np.float64), AB_BINS.astype(np.float64)
    step = ab.shape[-1] // logits.shape[-1]
    total, count, gradient = 0.0, 0, np.zeros_like(logits)
    for photo in range(len(logits)):
        if np.abs(ab[photo]).max() <= 5.0:
            continue
        for y in range(logits.shape[2]):
            for x in range(logits.shape[3]):
                squared = ((ab[photo, :, y * step, x * step].astype(np.float64) - bins) ** 2).sum(axis=1)
                near = np.argsort(squared, kind="stable")[:neighbours]
                target = np.zeros(313)
                target[near] = np.exp(-squared[near] / (2 * sigma**2))
                target /= target.sum()
                z = logits[photo, :, y, x]
                log_p = z - z.max() - np.log(np.exp(z - z.max()).sum())
                w = 1.0 if weights is None else weights[near[0]]
                total -= w * (target * log_p).sum()
                gradient[photo, :, y, x] = w * (np.exp(log_p) - target)
                count += 1
    return total / count, gradient / count


@pytest.mark.parametrize("neighbours", [1, 5, 10])
@pytest.mark.parametrize("rebalance", [None, Rebalance(), Rebalance(lambda_=0.1, alpha=0.7, clamp=4.0)])
def test_value_and_gradient_against_a_dense_float64_computation(neighbours, rebalance):
    logits, ab = random_case()
    ab[1] *= 0.05  # a gray photograph
    weights = None
    if rebalance is not None:
        weights = rebalancing_weights(PRIOR, rebalance.lambda_, rebalance.alpha, rebalance.clamp)
    loss = SoftCrossEntropy(neighbours=neighbours, rebalance=rebalance)
    loss.prepare(prior=PRIOR)
    value, gradient = evaluate(loss, logits, ab)
    expected_value, expected_gradient = dense_reference(logits, ab, neighbours, 5.0, weights)
    assert value == pytest.approx(expected_value, rel=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)
    assert np.abs(expected_gradient).max() > 1e-3


@pytest.mark.parametrize("constant", [0.0, 1000.0, -1e6])
def test_uniform_logits_give_ln_313(constant):
    _, ab = random_case()
    value, _ = evaluate(SoftCrossEntropy(), np.full((4, 313, 3, 3), constant, np.float32), ab)
    tolerance = max(1e-5, abs(constant) * 1e-6)
    assert value == pytest.approx(math.log(313), abs=tolerance)


def test_a_sure_and_right_prediction_costs_nothing_and_a_wrong_one_its_margin():
    ab = np.broadcast_to(AB_BINS[100].reshape(1, 2, 1, 1), (1, 2, 8, 8))
    logits = np.zeros((1, 313, 2, 2), np.float32)
    logits[:, 100] = 1000.0
    assert evaluate(SoftCrossEntropy(neighbours=1), logits, ab)[0] == pytest.approx(0.0, abs=1e-3)
    logits[:, 100], logits[:, 7] = 0.0, 1000.0
    value, gradient = evaluate(SoftCrossEntropy(neighbours=1), logits, ab)
    assert value == pytest.approx(1000.0, abs=1e-3)
    assert gradient[0, 7].sum() == pytest.approx(1.0) and gradient[0, 100].sum() == pytest.approx(-1.0)


def test_lambda_one_is_no_rebalancing():
    logits, ab = random_case()
    even = SoftCrossEntropy(rebalance=Rebalance(lambda_=1.0))
    even.prepare(prior=PRIOR)
    value, gradient = evaluate(even, logits, ab)
    plain_value, plain_gradient = evaluate(SoftCrossEntropy(), logits, ab)
    assert value == pytest.approx(plain_value, rel=1e-6)
    np.testing.assert_allclose(gradient, plain_gradient, atol=1e-7)


def test_uniform_logits_under_the_prior_keep_their_scale_when_rebalanced():
    # Photographs whose colours occur exactly as the prior says: sum(p w) = 1, so the loss is ln 313 again.
    repeats = np.zeros(313, int)
    repeats[[3, 150, 151, 300]] = [1, 9, 4, 2]
    ab = AB_BINS[np.repeat(np.arange(313), repeats)].T.reshape(1, 2, 4, 4)
    loss = SoftCrossEntropy(rebalance=Rebalance(lambda_=0.3))
    loss.prepare(prior=repeats / 16)
    value, _ = evaluate(loss, np.zeros((1, 313, 4, 4), np.float32), ab)
    assert value == pytest.approx(math.log(313), rel=1e-5)


def test_gray_photographs_are_left_out_of_sum_and_count():
    logits, ab = random_case(batch=3)
    ab[0] = 5.0  # nothing above 5: gray
    ab[2] = 0.0
    value, gradient = evaluate(SoftCrossEntropy(), logits, ab)
    alone, _ = evaluate(SoftCrossEntropy(), logits[1:2], ab[1:2])
    assert value == pytest.approx(alone, rel=1e-6)
    assert (gradient[[0, 2]] == 0).all() and (gradient[1] != 0).any()


def test_the_gray_rule_looks_at_full_size_and_at_both_channels():
    logits, ab = random_case(batch=2)
    ab[:] = 0.0
    ab[0, 1, 1, 1] = -5.5  # one pixel, between those that become targets
    _, gradient = evaluate(SoftCrossEntropy(), logits, ab)
    assert (gradient[0] != 0).any() and (gradient[1] == 0).all()
    _, gradient = evaluate(SoftCrossEntropy(gray_threshold=6.0), logits, ab)
    assert (gradient == 0).all()


def test_a_batch_of_gray_photographs_gives_zero():
    logits, ab = random_case()
    loss = SoftCrossEntropy(rebalance=Rebalance())
    loss.prepare(prior=PRIOR)
    value, gradient = evaluate(loss, logits, ab * 0.01)
    assert value == 0.0 and (gradient == 0.0).all()


def test_equal_splits_of_a_batch_average_to_the_whole():
    logits, ab = random_case(batch=6)
    loss = SoftCrossEntropy(neighbours=10, rebalance=Rebalance())
    loss.prepare(prior=PRIOR)
    value, gradient = evaluate(loss, logits, ab)
    halves = [evaluate(loss, logits[part], ab[part]) for part in (slice(0, 3), slice(3, 6))]
    assert value == pytest.approx(np.mean([half[0] for half in halves]), rel=1e-6)
    np.testing.assert_allclose(gradient, np.concatenate([half[1] for half in halves]) / 2, atol=1e-8)


@pytest.mark.filterwarnings("ignore:amp_guard")
def test_half_precision_logits_are_judged_in_float32():
    logits, ab = random_case()
    rounded = paddle.to_tensor(logits).astype("bfloat16")
    value = SoftCrossEntropy()(Prediction(logits=rounded), make_batch(ab))
    expected, _ = evaluate(SoftCrossEntropy(), rounded.astype("float32").numpy(), ab)
    assert value.dtype == paddle.float32 and float(value) == expected
    with paddle.amp.auto_cast(dtype="bfloat16", level="O1"):
        value = SoftCrossEntropy()(Prediction(logits=rounded), make_batch(ab))
    assert value.dtype == paddle.float32 and float(value) == expected


def test_what_it_reads_needs_and_calls_its_term():
    assert issubclass(SoftCrossEntropy, Loss)
    assert SoftCrossEntropy.reads == {"logits"} and SoftCrossEntropy.reads <= Prediction.names()
    assert SoftCrossEntropy().needs == frozenset()
    loss = SoftCrossEntropy(rebalance=Rebalance())
    assert loss.needs == {"prior"}
    logits, ab = random_case()
    with pytest.raises(RuntimeError, match="prepared"):
        evaluate(loss, logits, ab)
    with pytest.raises(TypeError, match="prior"):
        loss.prepare()
    loss.prepare(prior=np.ones(313))
    loss.prepare(prior=PRIOR)  # again, for other data: the last one counts
    np.testing.assert_allclose(loss._bin_weights.numpy(), rebalancing_weights(PRIOR), rtol=1e-6)
    assert not loss.state_dict() and not loss.parameters()
    terms = loss.terms(Prediction(logits=paddle.to_tensor(logits)), make_batch(ab))
    assert list(terms) == ["loss"] and float(terms["loss"]) == evaluate(loss, logits, ab)[0]


def test_weights_that_would_be_infinite_are_refused_with_a_way_out():
    loss = SoftCrossEntropy(rebalance=Rebalance(lambda_=0.0))
    with pytest.raises(UserError, match="clamp"):
        loss.prepare(prior=np.eye(313)[0])
