"""The build seam admits what configurations need and nothing that only looks like it."""

import pytest

from oldrestore.config.build import build, check_targets, locate
from oldrestore.errors import UserError
from oldrestore.training.schedules import Step


def test_builds_what_a_node_names():
    step = build({"_target_": "oldrestore.training.schedules.Step", "milestones": [10, 20], "factor": 0.5})
    assert isinstance(step, Step)
    assert [step(i) for i in (0, 9, 10, 19, 20)] == [1, 1, 0.5, 0.5, 0.25]


def test_builds_a_paddle_optimizer_as_a_partial():
    import paddle

    make = build({"_target_": "paddle.optimizer.Adam", "_partial_": True, "learning_rate": 0.25})
    optimizer = make(parameters=paddle.nn.Linear(2, 2).parameters())
    assert optimizer.get_lr() == 0.25


@pytest.mark.parametrize(
    "target",
    [
        "builtins.eval",
        "oldrestore.data.cache.os",
        "oldrestore.run.provenance.subprocess.run",
        "oldrestore.commands.train.run",
        "oldrestore.config.build.build",
        "paddle.load",
        "paddle.utils.cpp_extension.load",
        "paddle.nn.functional.os.system",
        "paddleocr.Model",
        "oldrestore.training.schedules.math.cos",
        "oldrestore.training.schedules",
        "oldrestore.training.schedules.Iterations",
    ],
)
def test_refuses_other_targets(target):
    with pytest.raises(UserError):
        locate(target)


def test_refuses_positional_arguments_and_what_the_built_object_refuses(refusal):
    node = {"_target_": "oldrestore.training.schedules.Constant", "_args_": [3]}
    assert "name every argument" in refusal(check_targets, node)
    node = {"_target_": "oldrestore.data.cropping.crops.Crops", "size": 64, "crop": 65}
    assert "crops.crop = 65 is larger" in refusal(build, node)
