"""Likely colours of distributions whose peaks are known."""

import numpy as np

from oldrestore.color.bins import AB_BINS
from oldrestore.color.gamut import largest_chroma
from oldrestore.studio.likely import LEAST, likely_colors


def bump(ab, spread=6.0):
    p = np.exp(-((AB_BINS - ab) ** 2).sum(axis=1) / (2 * spread**2))
    return p / p.sum()


def test_peaks_come_back_by_their_shares():
    truth = {(0.0, 0.0): 0.2, (50.0, 30.0): 0.5, (-30.0, 30.0): 0.3}
    p = sum(share * bump(np.array(ab)) for ab, share in truth.items())
    found = likely_colors(p, 60.0)
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    for one, (ab, share) in zip(found, sorted(truth.items(), key=lambda item: -item[1]), strict=True):
        np.testing.assert_allclose(one.ab, ab, atol=3.0)
        assert abs(one.share - share) < 0.03


def test_one_peak_is_one_colour_and_a_flat_distribution_few():
    assert len(likely_colors(bump(np.array([20.0, -40.0])), 50.0)) == 1
    flat = likely_colors(np.full(313, 1 / 313), 50.0)
    assert 1 <= len(flat) <= 5 and all(one.share >= LEAST for one in flat)


def test_colours_are_what_srgb_shows_at_that_lightness():
    (one,) = likely_colors(bump(np.array([60.0, -80.0]), 3.0), 95.0)
    assert np.hypot(*one.ab) <= largest_chroma(np.array([[95.0, *one.ab]], np.float32))[0] + 1.5
    assert one.color.startswith("#") and len(one.color) == 7
