"""Hints: how many, how large, where and of what colour, against closed forms; drawn from the generator alone."""

import numpy as np
import paddle
import pytest
from scipy.stats import chisquare, norm

from oldrestore.data.inputs.hints import Hints, central_patches, reveal, uniform_patches
from oldrestore.errors import UserError
from tests.generated_photographs import make_photograph


def first_pixel_probability(length: int, side: int) -> np.ndarray:
    """Chance of each first pixel 0..length - side: a normal, rounded down, its tails collected at the ends."""
    room = length - side + 1
    edges = np.concatenate([[-np.inf], np.arange(1, room), [np.inf]])
    return np.diff(norm.cdf(edges, room / 2, room / 4))


def covered_probability(length: int, side: int) -> np.ndarray:
    """Chance of each pixel along an axis to lie within the patch."""
    first = first_pixel_probability(length, side)
    return np.convolve(first, np.ones(side))


@pytest.mark.parametrize("side", [1, 4, 9])
def test_places_follow_the_clipped_normal(side):
    n = 40000
    patches = central_patches(np.random.default_rng(side), np.full(n, side), 12, 30)
    assert (patches[:, 2] == side).all()
    for axis, length in enumerate((12, 30)):
        observed = np.bincount(patches[:, axis], minlength=length - side + 1)
        assert len(observed) == length - side + 1  # never beyond the photograph
        assert chisquare(observed, n * first_pixel_probability(length, side)).pvalue > 1e-3
    assert abs(np.corrcoef(patches[:, 0], patches[:, 1])[0, 1]) < 0.02


def test_uniform_places_are_uniform_and_fewer_are_the_first_of_more():
    patches = uniform_patches(np.random.default_rng(0), 40000, 6, 10, 12)
    for axis, places in ((0, 5), (1, 7)):
        assert chisquare(np.bincount(patches[:, axis], minlength=places)).pvalue > 1e-3
    few = uniform_patches(np.random.default_rng(5), 3, 6, 64, 64)
    many = uniform_patches(np.random.default_rng(5), 100, 6, 64, 64)
    np.testing.assert_array_equal(few, many[:3])


def test_what_is_revealed_follows_the_closed_form_pixel_by_pixel():
    # N is geometric, and each patch covers a pixel with chance c:
    # P(hidden) = E[(1 - c)^N] = p / (1 - (1 - p)(1 - c)).
    p, full, height, width, n = 0.125, 0.05, 16, 20, 6000
    mask = Hints(p=p, full=full).draw(np.zeros((n, 2, height, width), np.float32), np.random.default_rng(0))[:, 2]
    sides = range(1, 10)
    covered = np.mean([np.outer(covered_probability(height, s), covered_probability(width, s)) for s in sides], axis=0)
    hidden = (1 - full) * p / (1 - (1 - p) * (1 - covered))
    z = (mask.mean(axis=0) - (1 - hidden)) / np.sqrt(hidden * (1 - hidden) / n)
    assert np.abs(z).max() < 4.5
    empty = (mask.max(axis=(1, 2)) == 0).mean()
    assert empty == pytest.approx((1 - full) * p, abs=4 * np.sqrt(p / n))


def test_a_patch_shows_its_mean_colour_and_the_later_one_counts():
    ab = np.random.default_rng(0).uniform(-80, 80, (2, 12, 12)).astype(np.float32)
    hints = reveal(ab, np.array([[1, 2, 4], [3, 4, 5]]))
    later, earlier = ab[:, 3:8, 4:9].mean(axis=(1, 2)), ab[:, 1:5, 2:6].mean(axis=(1, 2))
    np.testing.assert_allclose(hints[:2, 3:8, 4:9], np.broadcast_to(later[:, None, None], (2, 5, 5)), rtol=1e-5)
    np.testing.assert_allclose(hints[:2, 1:3, 2:6], np.broadcast_to(earlier[:, None, None], (2, 2, 4)), rtol=1e-5)
    assert hints[2].sum() == 16 + 25 - 4
    assert (hints[:2][:, hints[2] == 0] == 0).all()
    assert set(np.unique(hints[2])) == {0.0, 1.0}


def photographs(count: int = 5, size: int = 32) -> paddle.Tensor:
    return paddle.to_tensor(np.stack([make_photograph(seed, size) for seed in range(count)]))


def test_a_batch_holds_lightness_colour_and_hints():
    batch = Hints()(photographs(), ["a", "b", "c", "d", "e"], np.random.default_rng([1, 0, 0]))
    assert batch.names == ("a", "b", "c", "d", "e")
    assert batch.hints_b3hw.shape == [5, 3, 32, 32] and batch.hints_b3hw.dtype == paddle.float32
    hints, ab = batch.hints_b3hw.numpy(), batch.ab_b2hw.numpy()
    shown = hints[:, 2:] > 0
    assert 0 < shown.mean() < 1
    error = np.abs(hints[:, :2] - ab)
    assert error[np.broadcast_to(shown, error.shape)].mean() < 10  # patches are small, so their mean is near


def test_everything_and_nothing():
    batch = Hints(full=1.0)(photographs(), (), np.random.default_rng(0))
    np.testing.assert_array_equal(batch.hints_b3hw[:, :2].numpy(), batch.ab_b2hw.numpy())
    assert (batch.hints_b3hw[:, 2] == 1).all()
    assert float(Hints(p=1.0, full=0.0)(photographs(), (), np.random.default_rng(0)).hints_b3hw.abs().max()) == 0.0


def test_hints_are_the_same_on_every_machine():
    before = np.random.get_state()[1].copy()
    # Written down once: another machine or NumPy that drew otherwise would train otherwise.
    assert central_patches(np.random.default_rng(0), np.array([1, 5, 9]), 64, 48).tolist() == GOLDEN
    mask = Hints().draw(np.zeros((6, 2, 32, 32), np.float32), np.random.default_rng(0))[:, 2]
    assert mask.sum(axis=(1, 2)).astype(int).tolist() == GOLDEN_AREAS
    np.testing.assert_array_equal(np.random.get_state()[1], before)


GOLDEN = [[34, 22, 1], [39, 23, 5], [20, 23, 9]]
GOLDEN_AREAS = [128, 202, 0, 0, 51, 1024]


def test_photographs_smaller_than_the_largest_patch():
    hints = Hints(smallest=6, largest=9, p=0.01).draw(np.ones((20, 2, 4, 6), np.float32), np.random.default_rng(0))
    # Every patch is 4 x 4: of the first column's pixels, all four are shown or none.
    assert (hints[:, 2, :1] == hints[:, 2]).all() and (hints[:, 0] == hints[:, 2]).all()
    assert hints[:, 2, 0].mean() > 0.5


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(UserError, match=r"inputs\.smallest=5 must be at most inputs\.largest=4"):
        Hints(smallest=5, largest=4)


def test_a_share_reveals_nothing():
    ab = np.random.default_rng(0).normal(0, 30, (400, 2, 16, 16)).astype(np.float32)
    shares = [
        (Hints(p=0.01, full=0.05, none=none).draw(ab, np.random.default_rng(3))[:, 2].any(axis=(1, 2)) == 0).mean()
        for none in (0.0, 0.4)
    ]
    assert shares[0] < 0.03
    assert abs(shares[1] - 0.4) < 3 * np.sqrt(0.4 * 0.6 / 400) + 0.03
    assert not Hints(none=1.0, full=1.0).draw(ab[:4], np.random.default_rng(0)).any()
