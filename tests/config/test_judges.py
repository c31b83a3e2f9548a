"""``judge=[...]``: the first judge as ever, the others as evaluators, when composing and when a run is evaluated."""

import pytest
from omegaconf import OmegaConf

from oldrestore.config.build import build
from oldrestore.config.compose import check_choices, compose_config, override_config
from oldrestore.errors import UserError
from oldrestore.evaluation.further_judge import FurtherJudge

LIST = "judge=[efficientnet_lite0,efficientnet_lite1]"


def test_a_list_adds_evaluators_and_changes_nothing_else():
    one, several = compose_config(["judge=efficientnet_lite0"]), compose_config([LIST, "evaluation.every=7"])
    assert several.judge == one.judge
    further = several.evaluation.evaluators.efficientnet_lite1
    expected = OmegaConf.to_container(compose_config(["judge=efficientnet_lite1"]).judge)
    assert OmegaConf.to_container(further) == {
        "_target_": "oldrestore.evaluation.further_judge.FurtherJudge",
        "judge": expected,
        "every": 7,
    }
    several.evaluation.evaluators, several.evaluation.every = {}, one.evaluation.every
    assert several == one
    evaluator = build(further)
    assert isinstance(evaluator, FurtherJudge)
    assert (evaluator.judge.name, evaluator.every) == ("efficientnet_lite1", 7)


def test_a_list_of_one_is_that_one_and_reading_again_changes_nothing():
    assert check_choices(["judge=[efficientnet_lite2]", "seed=3"]) == ["judge=efficientnet_lite2", "seed=3"]
    once = check_choices([LIST])
    assert check_choices(once) == once
    assert compose_config(once) == compose_config([LIST])


def test_a_run_can_be_evaluated_by_several():
    run = compose_config(["judge=efficientnet_lite2", "seed=5"])
    changed = override_config(run, [LIST])
    assert changed.judge.variant == "lite0"
    assert changed.evaluation.evaluators.efficientnet_lite1.judge.variant == "lite1"
    assert changed.seed == 5
    protocol = override_config(run, ["evaluation=cic_2016", LIST])
    assert (protocol.judge.variant, protocol.evaluation.name) == ("lite0", "cic_2016")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "judge=[efficientnet_lite0,nobody]",
            "there is no judge 'nobody': choose one or several of efficientnet_lite0",
        ),
        ("judge=[]", r"judge=\[\] names no judge"),
        ("judge=[vgg16,squeezenet,vgg16]", "the list of judges names vgg16 twice"),
        ("judge=[1]", "there is no judge '1'"),
        ("judge={a:1}", "judge takes the name of one choice"),
        ("loss=[l1,l2]", "loss takes the name of one choice"),
    ],
)
def test_other_lists_are_refused(given, said):
    with pytest.raises(UserError, match=said):
        compose_config([given])
