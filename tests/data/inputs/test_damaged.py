"""Batches of damaged photographs."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.data.damage.holes import Holes
from oldrestore.data.damage.scratches import Scratches
from oldrestore.data.inputs.damaged import DamagedPhotos
from oldrestore.errors import UserError
from tests.data.damage.kinds import photograph


def photographs() -> np.ndarray:
    return np.stack([photograph(48, 64), photograph(48, 64)[::-1]])


def test_a_batch_holds_both_photographs_and_the_mask():
    rgb_bhw3 = photographs()
    inputs = DamagedPhotos(Scratches(), lowest=0.5, highest=1.0)
    batch = inputs(paddle.to_tensor(rgb_bhw3), ["a", "b"], np.random.default_rng(2))
    rng = np.random.default_rng(2)
    for place, rgb in enumerate(rgb_bhw3):
        expected = Scratches(0.5 + 0.5 * int(rng.integers(0, 257)) / 256)(rgb, rng)
        damaged = batch.damaged_b3hw[place].numpy().transpose(1, 2, 0)
        np.testing.assert_allclose(damaged, expected.rgb_hw3 / 255, atol=1e-6)
        np.testing.assert_array_equal(batch.hole_b1hw[place, 0].numpy(), expected.mask_hw.astype(np.float32))
        np.testing.assert_allclose(batch.rgb_b3hw[place].numpy().transpose(1, 2, 0), rgb / 255, atol=1e-6)
    assert batch.names == ("a", "b")
    assert batch.hole_b1hw.numpy().any()
    assert batch.L_b1hw.shape == [2, 1, 48, 64]


def test_a_fill_stands_where_structure_is_lost():
    inputs = DamagedPhotos(Holes(), fill=0.5, lowest=1.0)
    batch = inputs(paddle.to_tensor(photographs()), ["a", "b"], np.random.default_rng(2))
    hole = batch.hole_b1hw.numpy()
    assert hole.any()
    np.testing.assert_allclose(batch.damaged_b3hw.numpy()[np.repeat(hole, 3, 1) == 1], 0.5)
    kept = np.repeat(hole, 3, 1) == 0
    np.testing.assert_allclose(batch.damaged_b3hw.numpy()[kept], batch.rgb_b3hw.numpy()[kept], atol=1e-6)


def test_severities_are_drawn_from_the_range():
    seen = []

    class Seen(Scratches):
        def __call__(self, rgb_hw3, rng):
            seen.append(self.severity)
            return super().__call__(rgb_hw3, rng)

    inputs = DamagedPhotos(Seen(), lowest=0.2, highest=0.6)
    rng = np.random.default_rng(0)
    for _ in range(150):
        inputs.draw(photograph(8, 8), rng)
    assert 0.2 <= min(seen) < 0.23
    assert 0.57 < max(seen) <= 0.6


def test_the_choice_composes_with_other_damage():
    inputs = build(compose_config(["inputs=damaged", "damage@inputs.damage=creases", "inputs.highest=0.5"]).inputs)
    assert inputs.damage.kind == "creases"
    assert inputs.highest == 0.5


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("damage@inputs.damage=scratch", "there is no damage 'scratch': choose one of"),
        ("inputs.damage.steps.scratches.severity=2", "inputs.damage.steps.scratches.severity must be less than"),
        ("inputs.damage.steps.scratches.count=0", "inputs.damage.steps.scratches.count must be greater than"),
        ("inputs.lowest=-1", "inputs.lowest must be greater than or equal to 0, not -1"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(override, sentence):
    with pytest.raises(UserError) as refusal:
        compose_config(["inputs=damaged", override])
    assert sentence in str(refusal.value)


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(UserError, match=r"inputs\.lowest=0\.8 must be at most inputs\.highest=0\.5"):
        DamagedPhotos(Holes(), lowest=0.8, highest=0.5)
    with pytest.raises(UserError, match="choice of conf/damage"):
        DamagedPhotos("medium")
