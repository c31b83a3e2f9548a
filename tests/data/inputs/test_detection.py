"""A share of what detectors read is gray, and the damage is that of the seed."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.data.damage.holes import Holes
from oldrestore.data.inputs.damaged import DetectionInputs
from tests.generated_photographs import make_photograph


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


def test_the_configured_damage_is_drawn_alike_from_a_seed_and_anew_from_another():
    inputs = build(compose_config(["inputs=damage_detection"]).inputs)
    photos = paddle.to_tensor(make_photograph(0, 64)[None])
    first, again, other = (inputs(photos, ["a"], np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.damaged_b3hw.numpy(), again.damaged_b3hw.numpy())
    assert (first.damaged_b3hw.numpy() != other.damaged_b3hw.numpy()).any()
    assert inputs.damage.chance < 1 and len(inputs.damage.steps) == 19
