"""What the page of a sweep shows of its search."""

import math
from dataclasses import replace

import pytest

from oldrestore.report.contents import gather
from oldrestore.report.look import SCREEN
from oldrestore.report.page import render
from oldrestore.report.search_charts import importances, parallel
from oldrestore.sweeps.search import SearchSettings
from oldrestore.sweeps.searched import searched_of
from tests.comparison.synthetic import make_designs

optuna = pytest.importorskip("optuna")

SPACE = {
    "model.width": {"low": 0.25, "high": 1.0},
    "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "loss": {"choices": ["focal", "l2", "huber"]},
    "trainer.batch_size": {"low": 1, "high": 5},
}
TRIALS = [  # settings, and what was reached; a text is a state
    ({"model.width": 0.25, "optimizer.learning_rate": 1e-4, "loss": "focal", "trainer.batch_size": 1}, 0.5),
    ({"model.width": 0.5, "optimizer.learning_rate": 1e-3, "loss": "l2", "trainer.batch_size": 2}, 0.9),
    ({"model.width": 1.0, "optimizer.learning_rate": 1e-2, "loss": "huber", "trainer.batch_size": 5}, 0.7),
    ({"model.width": 1.0, "optimizer.learning_rate": 1e-2, "loss": "huber", "trainer.batch_size": 5}, "PRUNED"),
    ({"model.width": 0.4, "optimizer.learning_rate": 1e-2, "loss": "l2", "trainer.batch_size": 4}, "FAIL"),
]


def study_of(trials, direction: str = "maximize"):
    settings = SearchSettings(metric="val/auc", direction=direction, trials=9, space=SPACE)
    study = optuna.create_study(direction=direction)
    distributions = {
        "model.width": optuna.distributions.FloatDistribution(0.25, 1.0),
        "optimizer.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
        "loss": optuna.distributions.CategoricalDistribution(["focal", "l2", "huber"]),
        "trainer.batch_size": optuna.distributions.IntDistribution(1, 5),
    }
    for params, reached in trials:
        state = reached if isinstance(reached, str) else "COMPLETE"
        value = None if isinstance(reached, str) else reached
        made = optuna.trial.create_trial(
            state=optuna.trial.TrialState[state], params=params, distributions=distributions, value=value
        )
        study.add_trial(made)
    return study, settings


def test_each_completed_trial_stands_on_every_axis():
    searched = searched_of(*study_of(TRIALS))
    assert (searched.numbers, searched.best, searched.pruned, searched.failed) == ([0, 1, 2], 1, 1, 1)
    places = {axis.title: axis.places for axis in searched.axes}
    assert places["model.width"] == pytest.approx([0, 1 / 3, 1])
    assert places["optimizer.learning_rate"] == pytest.approx([0, 0.5, 1])  # of the logarithm
    assert places["loss"] == [0, 0.5, 1] and places["trainer.batch_size"] == [0, 0.25, 1]
    marks = {axis.title: axis.marks for axis in searched.axes}
    assert marks["loss"] == {0: "focal", 0.5: "l2", 1: "huber"} and marks["model.width"] == {0: "0.25", 1: "1"}
    assert searched.metric.places == pytest.approx([0, 1, 0.5]) and searched.metric.marks == {1: "0.9", 0: "0.5"}


def test_the_best_is_on_top_whichever_way_is_better():
    searched = searched_of(*study_of(TRIALS, "minimize"))
    assert searched.best == 0
    assert searched.metric.places == pytest.approx([1, 0, 0.5]) and searched.metric.marks == {1: "0.5", 0: "0.9"}


def test_importances_are_optunas():
    study, settings = study_of([(TRIALS[0][0] | {"model.width": 0.25 + n / 20}, n / 9) for n in range(9)])
    searched = searched_of(study, settings)
    expected = optuna.importance.get_param_importances(study)
    assert searched.importances == pytest.approx(expected)
    assert next(iter(searched.importances)) == "model.width"
    assert sum(searched.importances.values()) == pytest.approx(1)


@pytest.mark.parametrize("trials", [TRIALS[:1], [(params, 0.5) for params, _ in TRIALS[:3]]])
def test_too_few_trials_and_equal_ones_have_no_importances(trials):
    searched = searched_of(*study_of(trials))
    assert searched.importances == {} and set(searched.metric.places) == {1.0}


def test_without_a_completed_trial_there_is_nothing_to_show():
    assert searched_of(*study_of(TRIALS[3:])) is None


def test_the_charts_have_a_line_for_each_trial_and_a_bar_for_each_setting():
    searched = replace(searched_of(*study_of(TRIALS)), importances={"loss": 0.75, "model.width": 0.25})
    rows = parallel(searched, SCREEN)["data"]["values"]
    assert len(rows) == 3 * 5 and {row["t"] for row in rows if row["best"] == "best"} == {1}
    assert [row["t"] for row in rows[::5]] == [0, 2, 1]  # the best is drawn last
    assert not any(math.isnan(row["y"]) for row in rows)
    bars = importances(searched, SCREEN)["data"]["values"]
    assert [(bar["p"], bar["v"], bar["text"]) for bar in bars] == [("loss", 0.75, "75%"), ("model.width", 0.25, "25%")]


def test_the_page_of_a_search_has_a_section_and_no_other_page_has_it(tmp_path):
    report = gather(make_designs(tmp_path, {"a": 0.0, "b": 0.05}, (0, 1)), photographs=0, resamples=100)
    assert "The search" not in render(report)
    page = render(replace(report, searched=searched_of(*study_of(TRIALS))))
    assert page.count('id="g0-search-trials"') == 1 and "Not drawn: 1 pruned and 1 failed." in page
    assert "A line for each of 3 completed trials" in page and "<td>l2</td>" in page
