"""What must hold for every kind of damage, at every size: seeded, a mask of 0 and 1, nothing touched outside."""

import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from oldrestore.config.compose import compose_config
from oldrestore.config.location import configuration_root
from oldrestore.data.inputs.holes import SIZES, draw_mask
from tests.reliability.conftest import examples

KINDS = sorted(path.stem for path in (configuration_root() / "conf" / "damage").glob("*.yaml"))
CHAINS = ("heavy", "structured")
SINGLE = [name for name in KINDS if name not in ("none", "light", "medium", *CHAINS)]

sizes = st.one_of(st.integers(1, 40), st.sampled_from([64, 97]))
severities = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
seeds = st.integers(0, 2**63 - 1)


@pytest.fixture(scope="module")
def damages() -> dict[str, object]:
    """Every kind as it is configured."""
    folder = configuration_root() / "conf" / "damage"
    made = {kind: instantiate(OmegaConf.load(folder / f"{kind}.yaml")) for kind in SINGLE}
    for kind in CHAINS:
        chosen = ["inputs=damaged", f"damage@inputs.damage={kind}", "model=sagan_restore", "loss=restoration"]
        made[kind] = instantiate(compose_config(chosen).inputs.damage, _convert_="all")
    return made


@pytest.mark.parametrize("kind", [*SINGLE, *CHAINS])
@examples(12, 120)
@given(height=sizes, width=sizes, severity=severities, seed=seeds)
def test_every_kind(damages, kind, height, width, severity, seed):
    photograph = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    given_ = photograph.copy()
    damage = damages[kind].at(severity)
    one = damage(photograph, np.random.default_rng(seed))
    other = damage(photograph, np.random.default_rng(seed))
    np.testing.assert_array_equal(photograph, given_, "the photograph given was changed")
    assert one.rgb_hw3.dtype == np.uint8 and one.rgb_hw3.shape == photograph.shape
    assert one.mask_hw.dtype == np.bool_ and one.mask_hw.shape == (height, width)
    np.testing.assert_array_equal(one.rgb_hw3, other.rgb_hw3)
    np.testing.assert_array_equal(one.mask_hw, other.mask_hw)
    if damage.structured:
        np.testing.assert_array_equal(one.rgb_hw3[~one.mask_hw], photograph[~one.mask_hw])
    if severity == 0:
        np.testing.assert_array_equal(one.rgb_hw3, photograph)
        assert not one.mask_hw.any()
    union = np.zeros_like(one.mask_hw)
    for mask in one.masks.values():
        union |= mask
    np.testing.assert_array_equal(union, one.mask_hw)


@given(*[st.integers(16, 90)] * 2, st.sampled_from(["free_form", "box"]), st.sampled_from(list(SIZES)), seeds)
def test_holes_cover_as_much_as_they_say(height, width, shape, thickness, seed):
    mask, again = (draw_mask(height, width, shape, thickness, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(mask, again)
    assert mask.dtype == np.bool_ and mask.shape == (height, width)
    lowest, highest = SIZES[thickness].coverage
    assert mask.mean() <= highest / 100
    if min(height, width) >= 32:
        assert mask.sum() > lowest * height * width // 100
