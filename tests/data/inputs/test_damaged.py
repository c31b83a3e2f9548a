"""Batches of damaged photographs, a share of which is gray for detectors."""

import numpy as np
import paddle
import pytest

from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.data.damage.holes import Holes
from oldrestore.data.damage.scratches import Scratches
from oldrestore.data.inputs.damaged import DamagedPhotos, DetectionInputs
from oldrestore.errors import UserError
from tests.data.damage.kinds import photograph
from tests.generated_photographs import make_photograph


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


def test_the_choices_compose_with_damage():
    inputs = build(compose_config(["inputs=damaged", "damage@inputs.damage=creases", "inputs.highest=0.5"]).inputs)
    assert inputs.damage.kind == "creases"
    assert inputs.highest == 0.5
    detection = build(compose_config(["inputs=damage_detection"]).inputs)
    assert detection.damage.chance < 1 and len(detection.damage.steps) == 19


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(UserError, match=r"inputs\.lowest=0\.8 must be at most inputs\.highest=0\.5"):
        DamagedPhotos(Holes(), lowest=0.8, highest=0.5)
    with pytest.raises(UserError, match="choice of conf/damage"):
        DamagedPhotos("medium")


def batch(gray: float, count: int = 12):
    photos = paddle.to_tensor(np.stack([make_photograph(seed, 48) for seed in range(count)]))
    return DetectionInputs(Holes(), gray=gray)(photos, [str(i) for i in range(count)], np.random.default_rng(5))


def is_gray(picture_3hw: np.ndarray) -> bool:
    return bool((picture_3hw == picture_3hw[:1]).all())


@pytest.mark.parametrize(("gray", "counts"), [(0.0, {0}), (0.5, set(range(3, 10))), (1.0, {12})])
def test_the_share_of_gray_photographs(gray, counts):
    assert sum(is_gray(picture) for picture in batch(gray).damaged_b3hw.numpy()) in counts


def test_gray_is_the_luma_of_the_damaged_photograph_and_the_mask_stays():
    colored, gray = batch(0.0), batch(1.0)
    np.testing.assert_array_equal(colored.hole_b1hw.numpy(), gray.hole_b1hw.numpy())
    luma = np.tensordot([0.299, 0.587, 0.114], colored.damaged_b3hw.numpy().transpose(1, 0, 2, 3), axes=1)
    np.testing.assert_allclose(gray.damaged_b3hw.numpy()[:, 0], luma, atol=1.6 / 255)
    np.testing.assert_array_equal(colored.rgb_b3hw.numpy(), gray.rgb_b3hw.numpy())
