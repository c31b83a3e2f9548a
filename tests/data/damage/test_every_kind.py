"""What holds for every kind of damage, beside the properties in tests/reliability/test_damage_properties.py."""

from itertools import pairwise

import numpy as np
import pytest

from tests.data.damage.kinds import STRUCTURED, UNSTRUCTURED, photograph

KINDS = STRUCTURED + UNSTRUCTURED
NEUTRAL = {"fading", "contrast", "emulsion", "grain", "blur", "jpeg", "dust", "scratches", "creases"}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


@pytest.mark.parametrize("kind", STRUCTURED, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("gray", [False, True], ids=["colour", "gray"])
def test_a_mask_is_not_much_wider_than_what_changed(kind, gray):
    rgb = photograph(120, 90, gray)
    for seed in range(6):
        damaged = kind(severity=(seed + 1) / 6)(rgb, np.random.default_rng(seed))
        changed = (damaged.rgb_hw3 != rgb).any(axis=2)
        assert changed.sum() >= 0.9 * damaged.mask_hw.sum()  # nine in ten of its pixels did
        assert damaged.masks[kind.kind] is damaged.mask_hw


@every_kind
def test_more_severity_is_more_of_the_same(kind):
    """From one seed the mask at a severity lies within that of the next, and photographs move further away."""
    rgb = photograph(96, 110)
    for seed in range(3):
        masks, changes = [], []
        for severity in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
            damaged = kind(severity=severity)(rgb, np.random.default_rng(seed))
            masks.append(damaged.mask_hw)
            changes.append(np.abs(damaged.rgb_hw3.astype(np.int64) - rgb).mean())
        assert all(not (small & ~large).any() for small, large in pairwise(masks))
        assert changes == sorted(changes)
        assert changes[-1] > changes[1]


@every_kind
def test_neutral_damage_leaves_gray_photographs_gray(kind):
    rgb = photograph(90, 70, gray=True)
    damaged = kind(severity=0.8)(rgb, np.random.default_rng(2)).rgb_hw3
    still_gray = bool((damaged == damaged[..., :1]).all())
    assert still_gray == (kind.kind in NEUTRAL)


@pytest.mark.parametrize("kind", STRUCTURED, ids=lambda kind: kind.kind)
def test_damage_follows_the_photographs_size(kind):
    """Twice the pixels of a photograph, from where nothing is thinner than a pixel: the same places are damaged."""
    large = photograph(1200, 1000)
    for seed in range(2):
        small, twice = (kind(severity=1.0)(p, np.random.default_rng(seed)).mask_hw for p in (large[::2, ::2], large))
        both, either = (small & twice[::2, ::2]).sum(), (small | twice[::2, ::2]).sum()
        assert both > 0.5 * either


@every_kind
def test_one_number_is_drawn_whatever_the_severity(kind):
    states = []
    for severity in (0.0, 0.3, 1.0):
        rng = np.random.default_rng(11)
        kind(severity=severity)(photograph(30, 30), rng)
        states.append(int(rng.integers(0, 2**62)))
    assert len(set(states)) == 1


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=["gray float", "float", "gray", "empty"],
)
def test_what_is_no_photograph_is_refused(picture):
    for kind in KINDS:
        with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\)"):
            kind()(picture, np.random.default_rng(0))
