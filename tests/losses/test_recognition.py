"""Losses through a classifier against NumPy in float64, and what the classifier is shown while a network learns."""

import numpy as np
import paddle
import pytest
from scipy.special import log_softmax

from oldrestore.batch import Batch, Prediction
from oldrestore.config.build import build
from oldrestore.config.pairs import choices
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import EfficientNetLite
from oldrestore.losses.composite import Composite
from oldrestore.losses.recognition import AnswerAgreement, Recognition
from oldrestore.models.features import EfficientNetLiteClassifier
from oldrestore.scoring.judged import refuse_taught_by_judge
from tests.losses import reference

pytestmark = reference.on_a_cpu

AS_IT_IS = {"strength": (1.0, 1.0), "tint": 0.0, "crop": 1.0, "mirror": False}
MIXING = np.random.default_rng(7).normal(size=(1000, 3))


class MeanColorClassifier(paddle.nn.Layer):
    """Logits are mixtures of the mean of each squared channel; it keeps what it was shown."""

    layers, recognizer, fingerprint = 1, "mean colour", "0"

    def __init__(self, mixing=MIXING):
        super().__init__()
        self.mixing = paddle.to_tensor(mixing.T.astype(np.float32))
        self.shown = []

    def forward(self, rgb_b3hw):
        self.shown.append(rgb_b3hw.numpy())
        return [paddle.matmul(rgb_b3hw.square().mean(axis=[2, 3]), self.mixing)]


def logits(rgb, mixing=MIXING):
    return (rgb**2).mean(axis=(2, 3)) @ mixing.T


@pytest.fixture
def photographs():
    return reference.photographs()


@pytest.fixture
def ab():
    return np.random.default_rng(2).uniform(-15, 15, (2, 2, 4, 4)).astype(np.float32)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_agreement_against_float64(photographs, ab, temperature):
    L, truth = photographs

    def formula(given):
        answers = (reference.recolored(x, L) for x in (truth.astype(np.float64), given))
        p, q = (log_softmax(logits(rgb) / temperature, axis=1) for rgb in answers)
        return -(np.exp(p) * q).sum(1).mean()

    loss = AnswerAgreement({"one": MeanColorClassifier()}, temperature=temperature, **AS_IT_IS)
    reference.check(loss, ab, reference.make_batch(truth, L), formula, step=1e-4)


def test_recognition_against_float64(photographs, ab):
    L, truth = photographs
    labels = {"a": 4, "b": 999}

    def formula(given):
        q = log_softmax(logits(reference.recolored(given, L)), axis=1)
        return -(q[0, 4] + q[1, 999]) / 2

    loss = Recognition({"one": MeanColorClassifier()}, **AS_IT_IS)
    loss.prepare(labels=labels)
    reference.check(loss, ab, reference.make_batch(truth, L, names=("a", "b")), formula, step=1e-4)


def test_a_photograph_without_a_class_counts_nothing(photographs, ab):
    L, truth = photographs
    loss = Recognition({"one": MeanColorClassifier()}, **AS_IT_IS)
    loss.prepare(labels={"a": 4})
    _, gradient = reference.evaluate(loss, ab, reference.make_batch(truth, L, names=("a", "b")))
    assert np.abs(gradient[0]).max() > 0 and not gradient[1].any()


def test_agreement_of_a_photograph_with_itself_is_its_entropy(photographs):
    L, truth = photographs
    loss = AnswerAgreement({"one": MeanColorClassifier()}, **AS_IT_IS)
    log_p = log_softmax(logits(reference.recolored(truth.astype(np.float64), L)), axis=1)
    entropy = -(np.exp(log_p) * log_p).sum(1).mean()
    value, gradient = reference.evaluate(loss, truth, reference.make_batch(truth, L))
    assert value == pytest.approx(entropy, rel=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def shown_at(loss, truth, L, ab, iteration, learning=True):
    loss.at(iteration)
    for classifier in loss.classifiers.values():
        classifier.shown.clear()
    with paddle.set_grad_enabled(learning):
        loss(Prediction(ab=paddle.to_tensor(ab)), reference.make_batch(truth, L))
    return [classifier.shown for classifier in loss.classifiers.values()]


def test_what_is_shown_depends_on_the_iteration_alone(photographs, ab):
    L, truth = photographs
    first, second = (AnswerAgreement({"one": MeanColorClassifier()}) for _ in range(2))
    ((original, recolored),) = shown_at(first, truth, L, ab, 5)
    ((again, other),) = shown_at(first, truth, L, ab, 6)
    assert original.shape[2:] != (8, 8) or again.shape[2:] != (8, 8)
    ((repeated, same),) = shown_at(second, truth, L, ab, 5)
    np.testing.assert_array_equal(original, repeated)
    np.testing.assert_array_equal(recolored, same)
    assert recolored.shape != other.shape or np.abs(recolored - other).max() > 0


def test_validation_sees_photographs_as_they_are(photographs, ab):
    L, truth = photographs
    loss = AnswerAgreement({"one": MeanColorClassifier(), "other": MeanColorClassifier()})
    for original, recolored in shown_at(loss, truth, L, ab, 5, learning=False):
        np.testing.assert_allclose(original, reference.recolored(truth.astype(np.float64), L), atol=1e-4)
        np.testing.assert_allclose(recolored, reference.recolored(ab.astype(np.float64), L), atol=1e-4)


def test_strength_and_tint_change_the_predicted_colour_and_not_the_original(photographs, ab):
    L, truth = photographs
    loss = AnswerAgreement({"one": MeanColorClassifier()}, **(AS_IT_IS | {"strength": (0.5, 0.5)}))
    ((original, recolored),) = shown_at(loss, truth, L, ab, 0)
    np.testing.assert_allclose(original, reference.recolored(truth.astype(np.float64), L), atol=1e-4)
    np.testing.assert_allclose(recolored, reference.recolored(0.5 * ab.astype(np.float64), L), atol=1e-4)
    # Over many updates, the mean colour added is as large as it is said to be.
    loss = AnswerAgreement({"one": MeanColorClassifier()}, **(AS_IT_IS | {"tint": 2.0}))
    gray = np.zeros_like(ab)
    lightness = np.full_like(L, 50.0)
    tints = []
    for iteration in range(100):
        ((_, recolored),) = shown_at(loss, truth, lightness, gray, iteration)
        assert np.ptp(recolored, axis=(2, 3)).max() < 1e-5
        tints.append(recolored[:, :, 0, 0])
    from skimage.color import rgb2lab

    spread = rgb2lab(np.concatenate(tints))[:, 1:].std(axis=0)
    np.testing.assert_allclose(spread, 2.0, rtol=0.2)


def test_each_update_asks_one_classifier_and_all_have_their_turn(photographs, ab):
    L, truth = photographs
    loss = AnswerAgreement({"one": MeanColorClassifier(), "other": MeanColorClassifier()})
    asked = [[bool(shown) for shown in shown_at(loss, truth, L, ab, iteration)] for iteration in range(12)]
    assert all(sum(turn) == 1 for turn in asked)
    assert {turn.index(True) for turn in asked} == {0, 1}


def test_the_mean_colour_can_be_kept_from_learning(photographs, ab):
    L, truth = photographs
    batch = reference.make_batch(truth, L)
    settings = AS_IT_IS | {"keep_mean_color": True}
    kept_value, kept = reference.evaluate(AnswerAgreement({"one": MeanColorClassifier()}, **settings), ab, batch)
    value, free = reference.evaluate(AnswerAgreement({"one": MeanColorClassifier()}, **AS_IT_IS), ab, batch)
    assert kept_value == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(kept.mean(axis=(2, 3)), 0, atol=1e-4 * np.abs(free).max())
    np.testing.assert_allclose(kept, free - free.mean(axis=(2, 3), keepdims=True), atol=1e-5 * np.abs(free).max())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": (1.5, 0.5)}, "strength must be two numbers, the smaller first"),
        ({"crop": 0.0}, "crop must be greater than 0"),
        ({"classifiers": {}}, "classifiers must name at least one"),
        ({"classifiers": {"lite2": None}}, "classifiers must name at least one"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        AnswerAgreement(**({"classifiers": {"one": MeanColorClassifier()}} | settings))


def test_recognition_needs_photographs_with_a_class():
    loss = Recognition({"one": MeanColorClassifier()})
    with pytest.raises(UserError, match="use loss=agreement, which needs no labels"):
        loss.prepare(labels={})
    with pytest.raises(UserError, match="'x' has the class 1000"):
        loss.prepare(labels={"x": 1000})


def test_the_packages_network_answers_as_the_judge_and_may_not_be_it():
    node = choices("loss")["cross_entropy_agreement"]
    classifiers = node["terms"]["agreement"]["loss"]["classifiers"]
    assert set(classifiers) == {"lite1", "lite2"}
    del classifiers["lite1"]
    classifiers["lite2"]["variant"] = "lite0"
    loss = build(node)
    assert isinstance(loss, Composite) and loss.reads == {"logits"}
    (classifier,) = loss.losses["agreement"].classifiers.values()
    photo = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    cut = paddle.to_tensor(photo[16:240, 16:240].transpose(2, 0, 1)[None].astype(np.float32) / 255)
    judge = EfficientNetLite("lite0")
    answer = paddle.nn.functional.softmax(classifier(cut)[0]).numpy()
    np.testing.assert_allclose(answer, judge.probabilities([photo]), atol=1e-5)
    with pytest.raises(UserError, match="the judge efficientnet_lite0 is the network"):
        refuse_taught_by_judge(loss, judge)
    assert all(p.stop_gradient for p in classifier.parameters())


def test_the_sums_of_the_study_are_what_they_say():
    nodes = choices("loss")
    of = lambda name: nodes[name]["terms"]["agreement"]  # noqa: E731
    assert nodes["cross_entropy_agreement"]["terms"]["classification"]["loss"] == nodes["cross_entropy"]
    assert nodes["rebalanced_agreement"]["terms"]["classification"]["loss"] == nodes["rebalanced_cross_entropy"]
    changed = {name: value for name, value in nodes["agreement"].items() if name != "annealed_mean"}
    for name in ("cross_entropy_agreement", "rebalanced_agreement"):
        assert of(name) == {"weight": 0.1, "loss": {**changed, "annealed_mean": 1.0}}
    bare = {"strength": [1.0, 1.0], "tint": 0.0, "crop": 1.0, "mirror": False, "annealed_mean": 1.0}
    assert of("cross_entropy_agreement_bare") == {"weight": 0.1, "loss": {**changed, **bare}}
    assert of("cross_entropy_agreement_strong") == {"weight": 1.0, "loss": {**changed, **bare}}
    assert of("cross_entropy_agreement_mean") == {"weight": 0.1, "loss": {**changed, **bare, "keep_mean_color": True}}


def test_colours_learnt_from_agreement_alone_come_nearer_to_the_answer_on_the_original():
    from skimage.data import chelsea

    rgb = np.ascontiguousarray(chelsea()[50:210:1, 150:310])
    batch = Batch.from_rgb(paddle.to_tensor(rgb[None]))
    loss = AnswerAgreement({"lite2": EfficientNetLiteClassifier("lite2")}, **AS_IT_IS)
    with paddle.no_grad():
        entropy = float(loss(Prediction(ab=batch.ab_b2hw), batch))
    ab = paddle.zeros([1, 2, 20, 20])
    ab.stop_gradient = False
    optimizer = paddle.optimizer.Adam(2.0, parameters=[ab])
    values = []
    for _ in range(12):
        value = loss(Prediction(ab=ab), batch)
        value.backward()
        optimizer.step()
        optimizer.clear_grad()
        values.append(float(value) - entropy)
    assert min(values) > -1e-4
    assert values[-1] < 0.5 * values[0], values
