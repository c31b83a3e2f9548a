"""Certainty against its closed form, what is recorded, and what is refused."""

import numpy as np
import pytest

from oldrestore.color.bins import AB_BINS
from oldrestore.errors import UserError
from oldrestore.photographs.color_options import SPREAD, Chosen, ColorOptions, certainty


def test_certainty_is_that_of_the_spread():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (313, 4, 5)).astype(np.float32)
    logits[:, 0, 0] = -100.0
    logits[7, 0, 0] = 0.0  # one bin for certain
    logits[:, 0, 1] = 0.0  # all alike
    found = certainty(logits, 0.7)
    p = np.exp(logits.astype(np.float64) / 0.7)
    p /= p.sum(axis=0)
    mean = np.einsum("qhw,qc->chw", p, AB_BINS)
    squares = ((AB_BINS[:, :, None, None] - mean[None]) ** 2).sum(axis=1)
    expected = 1.0 / (1.0 + (p * squares).sum(axis=0) / SPREAD**2)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found[0, 0] == pytest.approx(1.0, abs=1e-6)
    assert found[0, 1] == pytest.approx(1 / (1 + AB_BINS.var(axis=0).sum() / SPREAD**2), abs=1e-4)


def test_a_map_has_the_photographs_size_and_255_is_sure():
    chosen = Chosen([], np.array([[1.0, 0.5], [0.0, 0.25]], np.float32))
    drawn = chosen.certainty_map((64, 32))
    assert drawn.shape == (64, 32) and drawn.dtype == np.uint8
    np.testing.assert_array_equal([drawn[0, 0], drawn[0, -1], drawn[-1, 0], drawn[-1, -1]], [255, 128, 0, 64])


def test_records_say_what_is_not_as_usual():
    assert ColorOptions().describe() == {}
    assert ColorOptions(strength=0.5, variants=3).describe() == {"strength": 0.5, "variants": 3}
    assert ColorOptions(variants=3, certainty=True).parts == {"variant2": "", "variant3": "", "certainty": ".png"}
    assert ColorOptions(variants=3).missing(3) == []
    assert "no other colouring that differs by 5, of 3" in ColorOptions(variants=3).missing(1)[0]


@pytest.mark.parametrize("settings", [{"strength": 1.6}, {"strength": -0.1}, {"variants": 0}, {"distance": 0.0}])
def test_ranges_are_checked(settings):
    with pytest.raises(UserError):
        ColorOptions(**settings)
