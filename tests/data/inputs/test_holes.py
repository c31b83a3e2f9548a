"""Masks repeat by seed to the bit, cover what their thickness says, and are drawn in whole numbers."""

import hashlib

import numpy as np
import paddle
import pytest

from oldrestore.data.inputs.holes import SIZES, HoleInputs, draw_discs, draw_mask

KINDS = [(shape, thickness) for shape in ("free_form", "box") for thickness in SIZES]
# sha256 of the packed bits of four masks of 64 x 48 drawn from seed 7: the same on every machine.
KNOWN = {
    ("free_form", "thin"): "897c89160b670215",
    ("free_form", "medium"): "1ea09f55349c9543",
    ("free_form", "thick"): "629e73b4c9a8dd63",
    ("box", "thin"): "34e7d10c7fcff4d0",
    ("box", "medium"): "de87953d96337d8a",
    ("box", "thick"): "247866aa5442e8aa",
}


def draw(shape, thickness, seed, count, height=64, width=64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([draw_mask(height, width, shape, thickness, rng) for _ in range(count)])


@pytest.mark.parametrize(("shape", "thickness"), KINDS)
def test_a_seed_gives_the_same_mask_on_every_machine(shape, thickness):
    masks = draw(shape, thickness, 7, 4, height=48)
    assert hashlib.sha256(np.packbits(masks).tobytes()).hexdigest()[:16] == KNOWN[shape, thickness]
    assert not np.array_equal(masks, draw(shape, thickness, 8, 4, height=48))


def test_thicker_strokes_leave_fewer_hole_pixels_at_an_edge():
    def edge_share(thickness):
        masks = draw("free_form", thickness, 0, 20)
        inner = masks[:, 1:-1, 1:-1]
        whole = inner & masks[:, :-2, 1:-1] & masks[:, 2:, 1:-1] & masks[:, 1:-1, :-2] & masks[:, 1:-1, 2:]
        return 1 - whole.sum() / inner.sum()

    assert edge_share("thin") > 0.7 > 0.5 > edge_share("medium") > edge_share("thick")


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_a_widened_point_is_a_disc(radius):
    rows, columns = np.ogrid[:12, :15]
    expected = (rows - 1) ** 2 + (columns - 13) ** 2 <= radius**2
    np.testing.assert_array_equal(draw_discs(np.array([1]), np.array([13]), radius, 12, 15), expected)


def test_a_tiny_photograph_is_refused():
    with pytest.raises(ValueError, match="at least 16 x 16"):
        draw_mask(15, 40, "box", "thin", np.random.default_rng(0))


def photographs(count=3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_inputs_damage_the_holes_and_nothing_else():
    rgb = photographs()
    batch = HoleInputs(fill=0.25)(paddle.to_tensor(rgb), ["a", "b", "c"], np.random.default_rng(0))
    hole = batch.hole_b1hw.numpy()
    assert set(np.unique(hole)) == {0.0, 1.0}
    truth = rgb.transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(batch.rgb_b3hw.numpy(), truth, atol=1e-7)
    np.testing.assert_allclose(batch.damaged_b3hw.numpy(), np.where(hole, 0.25, truth), atol=1e-6)
    assert batch.names == ("a", "b", "c")
    assert batch.L_b1hw.shape == [3, 1, 32, 32]


def test_mixed_holes_are_of_every_kind():
    holes = HoleInputs(shape="mixed", thickness="mixed")
    rng = np.random.default_rng(0)
    coverage = np.array([holes.draw(64, 64, rng).mean() for _ in range(60)])
    for damage in SIZES.values():
        lowest, highest = (percent / 100 for percent in damage.coverage)
        assert ((coverage >= lowest) & (coverage <= highest)).sum() >= 8
