"""Agreement with the judge's answer on the original: its measures against SciPy, its floor, and when it is measured."""

from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cosine, jensenshannon
from scipy.stats import entropy

from oldrestore.config.compose import compose_config
from oldrestore.evaluation.agreement import Agreement, divergences
from oldrestore.evaluation.judge import CLASSES, Answers, Judge
from oldrestore.records.run import Run
from oldrestore.scoring.protocols import protocol_of
from tests.evaluation.shared import context, gray, knowing


class MeanJudge(Judge):
    """Its features are the mean colour, its probabilities follow from them; it counts the photographs it sees."""

    name = "mean"

    def __init__(self):
        self.fingerprint, self.judged = uuid4().hex, 0
        self.weights = np.random.default_rng(0).normal(0, 0.1, (3, CLASSES))

    def probabilities(self, photos):
        return self.answers(photos).probabilities

    def answers(self, photos):
        self.judged += len(photos)
        features = np.stack([photo.mean((0, 1)) for photo in photos]).astype(np.float32)
        p = np.exp(features @ self.weights)
        return Answers((p / p.sum(1, keepdims=True)).astype(np.float32), features)


def random_answers(seed, n=50):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(CLASSES, 0.05), n)
    return Answers(p.astype(np.float32), rng.normal(size=(n, 7)).astype(np.float32))


@pytest.fixture
def photos():
    rng = np.random.default_rng(3)
    return [(f"{name}.png", rng.integers(0, 256, (1, 1, 3)) + np.zeros((16, 24, 1))) for name in "abc"]


@pytest.fixture
def measured(photos):
    photos = [(name, rgb.astype(np.uint8)) for name, rgb in photos]

    def measure(colorize, judge=None):
        return Agreement(judge or MeanJudge())(context(None, photos, colorize=colorize))

    measure.photos = [rgb for _, rgb in photos]
    return measure


def test_the_measures_are_scipys():
    truth, other = random_answers(0), random_answers(1)
    measured = divergences(truth, other)
    p, q = (np.maximum(answers.probabilities.astype(np.float64), 1e-12) for answers in (truth, other))
    rows = range(len(p))
    np.testing.assert_allclose(measured["kl"], [entropy(p[i], q[i]) for i in rows], rtol=1e-4)
    np.testing.assert_allclose(measured["js"], [jensenshannon(p[i], q[i]) ** 2 for i in rows], rtol=1e-4)
    f, g = truth.features, other.features
    np.testing.assert_allclose(measured["feature_distance"], [cosine(f[i], g[i]) for i in rows], rtol=1e-5)
    best = p.argmax(1)
    assert measured["top1"].tolist() == [float(q[i].argmax() == best[i]) for i in rows]
    assert measured["top5"].tolist() == [float(best[i] in np.argsort(q[i])[-5:]) for i in rows]


def test_answers_without_overlap_are_as_far_apart_as_can_be():
    one, other = (Answers(np.eye(CLASSES, dtype=np.float32)[[k]], None) for k in (0, 1))
    measured = divergences(one, other)
    assert measured["js"] == pytest.approx(np.log(2), abs=1e-8)
    assert measured["kl"] == pytest.approx(12 * np.log(10), rel=1e-6)
    assert "feature_distance" not in measured


def test_the_original_agrees_with_itself_and_gray_is_the_floor(measured):
    perfect = measured(knowing(measured.photos)).values
    assert perfect["kl"] == pytest.approx(0, abs=1e-5) and perfect["js"] == pytest.approx(0, abs=1e-6)
    assert perfect["feature_distance"] == pytest.approx(0, abs=1e-5)
    assert (perfect["top1"], perfect["top5"]) == (1, 1)
    assert perfect["kl_closed"] == pytest.approx(1, abs=1e-4)
    floor = measured(gray).values
    for name in ("kl", "js", "feature_distance", "top1", "top5"):
        assert floor[name] == floor[f"gray_{name}"]
    assert floor["kl"] > 0.1 and floor["kl_closed"] == 0


def test_scores_of_single_photographs_are_what_the_means_are_taken_over(measured):
    result = measured(gray)
    scores = pd.DataFrame(result.per_image)
    assert scores.groupby("metric").value.mean().to_dict() == pytest.approx(
        {name: value for name, value in result.values.items() if name != "kl_closed"}
    )
    assert set(scores.image) == {"a.png", "b.png", "c.png"} and len(scores) == 30


def test_originals_and_gray_photographs_are_shown_to_the_judge_once(measured):
    judge = MeanJudge()
    measured(gray, judge)
    assert judge.judged == 9
    measured(gray, judge)
    assert judge.judged == 12


def test_it_is_measured_by_default_without_labels(workshop):
    typed = ["evaluation.judged=null", "trainer.max_iterations=2", "trainer.monitor=agreement/kl"]
    code, folder = workshop.train(*typed, "trainer.monitor_mode=min", "trainer.evaluate_every=1")
    assert code == 0
    run = Run(folder)
    assert run.data["judge"]["name"] == "efficientnet_lite0" and "judged" not in run.data
    assert len(run.curves["agreement/kl"]) == 2
    scores = run.scores
    of_run = scores[(scores.set == "agreement") & (scores.metric == "kl")]
    assert len(of_run) == run.data["val"]["count"]
    assert of_run.value.mean() == pytest.approx(run.get("agreement/kl"))


def test_further_judges_are_asked_at_the_end(workshop):
    several = ["judge=[efficientnet_lite0,efficientnet_lite1]", "evaluation.judged=null"]
    code, folder = workshop.train(*several, "trainer.max_iterations=2", "trainer.evaluate_every=1")
    assert code == 0
    run = Run(folder)
    assert list(run.data["further_judges"]) == ["efficientnet_lite1"]
    assert several[0] in run.overrides
    changed = [name for name in run.data["protocol"]["changed"] if name.startswith("evaluators")]
    assert changed == ["evaluators.efficientnet_lite1"]
    curves = {name: len(points) for name, points in run.curves.items() if name.endswith("agreement/kl")}
    assert curves == {"agreement/kl": 2, "efficientnet_lite1_agreement/kl": 1}
    kl = run.scores[run.scores.metric == "kl"].groupby("set").value
    assert set(kl.count()) == {run.data["val"]["count"]}
    assert kl.mean()["efficientnet_lite1_agreement"] == pytest.approx(run.get("efficientnet_lite1_agreement/kl"))
    assert kl.mean()["efficientnet_lite1_agreement"] != kl.mean()["agreement"]


def test_it_is_left_out_if_so_asked(workshop):
    _, folder = workshop.train("trainer.max_iterations=1", "evaluation.agreement=false")
    assert "agreement" not in set(Run(folder).scores.set)


def test_scores_beside_it_are_those_of_the_protocol_without_it():
    without = compose_config(["evaluation.agreement=false"])
    assert protocol_of(without).hash == protocol_of(compose_config([])).hash
