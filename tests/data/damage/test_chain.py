"""Several kinds of damage one after the other."""

import numpy as np
import pytest

from oldrestore.data.damage.chain import DamageChain
from oldrestore.data.damage.creases import Creases
from oldrestore.data.damage.fading import Fading
from oldrestore.data.damage.holes import Holes
from oldrestore.data.damage.scratches import Scratches
from oldrestore.errors import UserError
from tests.data.damage.kinds import photograph


def test_masks_are_kept_by_kind_and_joined():
    chain = DamageChain([Fading(0.4), Scratches(0.5), Holes(0.7), Scratches(0.8)])
    rgb = photograph(90, 120)
    damaged = chain(rgb, np.random.default_rng(3))
    assert list(damaged.masks) == ["scratches", "holes"]
    np.testing.assert_array_equal(damaged.mask_hw, damaged.masks["scratches"] | damaged.masks["holes"])
    assert damaged.kind == "chain"
    assert not chain.structured
    one = DamageChain([Fading(0.4), Scratches(0.5)])(rgb, np.random.default_rng(3)).masks["scratches"]
    assert (damaged.masks["scratches"] & one).any()


def test_a_chain_of_one_is_that_damage():
    rgb = photograph(60, 50)
    rng = np.random.default_rng(8)
    damaged = DamageChain([Creases(0.6)])(rgb, rng)
    seed = np.random.default_rng(8).integers(0, 2**63, 1)[0]
    alone = Creases(0.6)(rgb, np.random.default_rng(int(seed)))
    np.testing.assert_array_equal(damaged.rgb_hw3, alone.rgb_hw3)
    np.testing.assert_array_equal(damaged.mask_hw, alone.mask_hw)


def test_what_one_step_draws_does_not_depend_on_the_severity_of_another():
    rgb = photograph(80, 90)
    first = DamageChain([Fading(0.0), Scratches(0.5)])(rgb, np.random.default_rng(1))
    second = DamageChain([Fading(1.0), Scratches(0.5)])(rgb, np.random.default_rng(1))
    np.testing.assert_array_equal(first.mask_hw, second.mask_hw)


def test_the_chains_severity_multiplies_its_steps():
    rgb = photograph(80, 90)
    half = DamageChain([Creases(0.8), Fading(0.4)]).at(0.5)(rgb, np.random.default_rng(1))
    expected = DamageChain([Creases(0.4), Fading(0.2)])(rgb, np.random.default_rng(1))
    np.testing.assert_array_equal(half.rgb_hw3, expected.rgb_hw3)
    nothing = DamageChain([Creases(0.8), Fading(0.4)], severity=0.0)(rgb, np.random.default_rng(1))
    np.testing.assert_array_equal(nothing.rgb_hw3, rgb)
    assert not nothing.mask_hw.any()


def test_steps_are_taken_by_chance():
    chain = DamageChain([Holes(1.0), Scratches(1.0)], chance=0.25)
    rgb = photograph(40, 40)
    taken = [len(chain(rgb, np.random.default_rng(seed)).masks) for seed in range(200)]
    # 400 trials of a quarter: 100 taken, standard deviation 8.7.
    assert 65 < sum(taken) < 135
    assert not DamageChain([Holes(1.0)], chance=0.0)(rgb, np.random.default_rng(0)).masks


def test_mistakes_are_refused():
    with pytest.raises(UserError, match="a step of a damage chain is a kind of damage"):
        DamageChain(["scratches"])
    with pytest.raises(UserError, match=r"^DamageChain\.severity must be less than or equal to 1, not 1\.2"):
        DamageChain([]).at(1.2)
