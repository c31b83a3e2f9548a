"""A weighted sum of losses: its value, gradient and curves, what it reads and needs, what it refuses."""

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch, Prediction
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.pairs import readings
from oldrestore.config.signature import check_component
from oldrestore.errors import UserError
from oldrestore.losses.classification import Rebalance, SoftCrossEntropy
from oldrestore.losses.composite import Composite
from oldrestore.losses.regression import L1, L2
from oldrestore.losses.weight_schedule import Linear, PiecewiseConstant
from tests.losses import reference


def case(seed: int = 0) -> tuple[Batch, np.ndarray]:
    rng = np.random.default_rng(seed)
    batch = reference.make_batch(rng.uniform(-60, 60, (2, 2, 8, 8)))
    return batch, rng.uniform(-60, 60, (2, 2, 8, 8)).astype(np.float32)


def evaluate(loss, given: np.ndarray, batch: Batch) -> tuple[dict[str, float], np.ndarray]:
    values, gradients = reference.terms(loss, batch, ab=given)
    return values, gradients["ab"]


def test_the_sum_worked_out_by_hand_with_a_curve_for_each_term():
    batch, given = case()
    error = given.astype(np.float64) - batch.ab_b2hw.numpy()
    l1, l2 = np.abs(error).sum(axis=1).mean() / 110, (error**2).sum(axis=1).mean() / 2 / 100
    loss = Composite({"sharp": {"weight": 3.0, "loss": L1()}, "mean": {"weight": 0.25, "loss": L2(scale=10.0)}})
    terms, gradient = evaluate(loss, given, batch)
    assert terms == pytest.approx({"loss": 3 * l1 + 0.25 * l2, "sharp": l1, "mean": l2}, rel=1e-5)
    pixels = 2 * 8 * 8
    np.testing.assert_allclose(gradient, (3 * np.sign(error) / 110 + 0.25 * error / 100) / pixels, rtol=1e-4)
    assert float(loss(Prediction(ab=paddle.to_tensor(given)), batch)) == terms["loss"]


def test_a_weight_of_zero_measures_without_learning():
    batch, given = case()
    alone, alone_gradient = evaluate(Composite({"a": {"loss": L1()}}), given, batch)
    both, gradient = evaluate(Composite({"a": {"loss": L1()}, "b": {"weight": 0.0, "loss": L2()}}), given, batch)
    assert both["loss"] == alone["loss"] and both["b"] == evaluate(L2(), given, batch)[0]["loss"]
    np.testing.assert_array_equal(gradient, alone_gradient)
    # And when every weight is 0, as a schedule may start.
    start = Composite({"a": {"weight": Linear(0.0, 1.0, until=10), "loss": L1()}})
    terms, gradient = evaluate(start, given, batch)
    assert (terms["loss"], terms["a"]) == (0.0, alone["loss"]) and not gradient.any()


def test_sums_of_sums_keep_every_curve_and_their_schedules():
    batch, given = case()
    inner = Composite({"x": {"weight": PiecewiseConstant([2.0, 0.0], [2]), "loss": L1()}, "y": {"loss": L2()}})
    assert inner.weights == {"x": 2.0, "y": 1.0}
    loss = Composite({"both": {"weight": 0.5, "loss": inner}, "again": {"loss": L1()}})
    for iteration, weight in ((0, 2.0), (2, 0.0)):
        loss.at(iteration)
        terms, _ = evaluate(loss, given, batch)
        assert list(terms) == ["loss", "both", "both/x", "both/y", "both/weight/x", "again"]
        assert terms["both/weight/x"] == weight
        assert terms["both"] == pytest.approx(weight * terms["both/x"] + terms["both/y"])
        assert terms["loss"] == pytest.approx(0.5 * terms["both"] + terms["again"])


def test_a_scheduled_weight_follows_the_iteration_and_is_a_curve():
    batch, given = case()
    l1, l2 = (evaluate(loss, given, batch) for loss in (L1(), L2()))
    loss = Composite({"a": {"loss": L1()}, "b": {"weight": Linear(0.0, 4.0, until=8, from_=4), "loss": L2()}})
    for iteration, weight in ((0, 0.0), (4, 0.0), (5, 1.0), (7, 3.0), (8, 4.0), (100, 4.0), (6, 2.0)):
        loss.at(iteration)
        terms, gradient = evaluate(loss, given, batch)
        assert terms["weight/b"] == weight
        assert (terms["a"], terms["b"]) == (l1[0]["loss"], l2[0]["loss"])
        assert terms["loss"] == pytest.approx(l1[0]["loss"] + weight * l2[0]["loss"], rel=1e-6)
        np.testing.assert_allclose(gradient, l1[1] + weight * l2[1], rtol=1e-5, atol=1e-9)
    assert "weight/a" not in terms


def test_reads_and_needs_are_the_union_and_resources_reach_every_term():
    soft = SoftCrossEntropy(rebalance=Rebalance())
    loss = Composite({"classes": {"loss": soft}, "ab": {"loss": L1()}})
    assert loss.reads == {"logits", "ab"}
    assert loss.needs == {"prior"}
    assert not loss.parameters()
    with pytest.raises(TypeError, match="prior"):
        loss.prepare()
    prior = np.full(313, 0.5 / 312)
    prior[0] = 0.5
    loss.prepare(prior=prior)
    # Prepared apart, the term has the same value.
    alone = SoftCrossEntropy(rebalance=Rebalance())
    alone.prepare(prior=prior)
    logits, ab = reference.of_bins()
    batch = reference.make_batch(ab)
    together = reference.terms(loss, batch, logits=logits, ab=ab[:, :, ::2, ::2])[0]
    assert together["classes"] == reference.evaluate(alone, logits, batch)[0]


def test_from_the_configuration_with_an_override_of_one_weight():
    changes = ["loss.terms.regression.weight=5", "loss.terms.regression.loss.delta=2"]
    config = compose_config(["model=siggraph17", "loss=siggraph17_full", *changes])
    loss = build(config.loss)
    assert isinstance(loss, Composite)
    assert loss.weights == {"classification": 1.0, "regression": 5}
    assert loss.losses["regression"].delta == 2
    schedule = "{_target_:oldrestore.losses.weight_schedule.Linear,start:1,end:10,until:100}"
    loss = build(override_config(config, [f"loss.terms.regression.weight={schedule}"]).loss)
    loss.at(50)
    assert loss.weights == {"classification": 1.0, "regression": 5.5}
    assert loss.reads == readings(config.loss) == {"ab", "class_logits"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loss.terms.regression.weight=-1", "loss.terms.regression.weight must be greater than or equal to 0"),
        ("loss.terms.regression.loss.delta=0", "loss.terms.regression.loss.delta must be greater than 0"),
        ("+loss.terms.regression.loss.delt=1", "no setting 'loss.terms.regression.loss.delt': did you mean 'delta'"),
        ("+loss.terms.regression.wait=1", "loss.terms.regression.wait"),
        ("loss.terms.regression.weight={start:1}", "loss.terms.regression.weight must be .* a weight schedule"),
        (
            "loss.terms.regression.weight={_target_:oldrestore.losses.weight_schedule.Linear,start:-1,end:1,until:9}",
            "loss.terms.regression.weight.start must be greater than or equal to 0",
        ),
        (
            "loss.terms.regression.weight={_target_:oldrestore.losses.weight_schedule.Linear,start:1,end:1,untill:9}",
            "no setting 'loss.terms.regression.weight.untill': did you mean 'until'",
        ),
    ],
)
def test_a_wrong_setting_of_a_term_is_refused_before_anything_is_built(override, message):
    with pytest.raises(UserError, match=message):
        compose_config(["model=siggraph17", "loss=siggraph17_full", override])


def test_components_are_checked_however_deep_they_stand():
    inner = {"_target_": "oldrestore.losses.regression.L1", "scale": -1.0}
    deep = {"_target_": "oldrestore.losses.composite.Composite", "terms": {"a": {"loss": inner}}}
    node = {"_target_": "oldrestore.losses.composite.Composite", "terms": {"b": {"loss": deep}}}
    with pytest.raises(UserError, match=r"loss.terms.b.loss.terms.a.loss.scale must be greater than 0"):
        check_component(node, "loss")


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "at least one term with a weight above 0"),
        ({"a": {"weight": 0.0, "loss": L1()}}, "at least one term with a weight above 0"),
        ({"loss": {"loss": L1()}}, "cannot be named 'loss'"),
        ({"a/b": {"loss": L1()}}, "cannot be named 'a/b'"),
        ({"weight": {"loss": L1()}}, "cannot be named 'weight'"),
        ({"a": {"weight": Linear(0, 0, until=5), "loss": L1()}}, "at least one term with a weight above 0"),
        ({"a": {"weight": L2(), "loss": L1()}}, r"terms\.a\.weight must be a valid number or a weight schedule"),
        ({"a": {"weight": 1.0}}, r"Composite\.terms\.a lacks loss"),
        ({"a": {"loss": 3}}, "'a' is not a loss"),
        ({"a": {"weight": float("inf"), "loss": L1()}}, r"terms\.a\.weight must be a finite number"),
    ],
)
def test_what_is_no_sum_of_losses_is_refused(terms, message):
    with pytest.raises(UserError, match=message):
        Composite(terms)
