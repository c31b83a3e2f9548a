"""A judge must not be the network whose features a run's loss trained on, neither in the run nor afterwards."""

from __future__ import annotations

import pytest

from oldrestore.config.compose import compose_config
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import EfficientNetLite
from oldrestore.run.components import build_components
from oldrestore.scoring.subject import Subject


class Heard:
    """Keeps what a narrator would say."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def a_run(folder, *overrides):
    config = compose_config(["model=resnet", *overrides])
    return Subject(folder, folder / "checkpoints" / "best.safetensors", "best", config, config)


def test_a_run_is_refused_before_it_starts():
    config = compose_config(["model=resnet", "model.width=0.125", "loss=perceptual", "judge=efficientnet_lite2"])
    with pytest.raises(
        UserError, match="the judge efficientnet_lite2 is the network whose features the loss trains on"
    ):
        build_components(config)


def test_a_run_cannot_be_judged_by_its_teacher_afterwards(tmp_path):
    run, heard = a_run(tmp_path, "loss=ddcolor"), Heard()
    with pytest.raises(UserError, match="take another judge"):
        run.refuse_taught_by(EfficientNetLite("lite2"), heard)
    run.refuse_taught_by(EfficientNetLite("lite0"), heard)
    assert heard.said == []


def test_where_the_loss_s_files_are_gone_it_is_said(tmp_path):
    heard = Heard()
    a_run(tmp_path, "loss=lpips").refuse_taught_by(EfficientNetLite("lite0"), heard)
    assert len(heard.said) == 1 and "nobody checked that the judge did not teach" in heard.said[0]
