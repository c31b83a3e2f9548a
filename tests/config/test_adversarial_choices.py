"""The adversarial losses are choices of the trainer that plays against a discriminator."""

from __future__ import annotations

import pytest

from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.errors import UserError
from oldrestore.losses import adversarial

CHOICE = "loss/adversarial@trainer.learner.adversarial"


@pytest.mark.parametrize(
    ("name", "expected", "penalty"),
    [
        ("hinge", adversarial.Hinge, 0.0),
        ("vanilla", adversarial.Vanilla, 0.0),
        ("least_squares", adversarial.LeastSquares, 0.0),
        ("wasserstein", adversarial.Wasserstein, 10.0),
    ],
)
def test_each_is_a_choice(name, expected, penalty):
    config = compose_config(["experiments=sagan_restore_smoke", f"{CHOICE}={name}"])
    built = build(config.trainer.learner.adversarial)
    assert type(built) is expected
    assert built.gradient_penalty == penalty


def test_hinge_is_taken_where_nothing_is_said_and_others_are_listed():
    config = compose_config(["experiments=sagan_restore_smoke"])
    assert type(build(config.trainer.learner.adversarial)) is adversarial.Hinge
    with pytest.raises(UserError, match="choose one of hinge, least_squares, vanilla, wasserstein"):
        compose_config(["experiments=sagan_restore_smoke", f"{CHOICE}=nonsense"])
