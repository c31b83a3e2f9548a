"""Likely colours of distributions whose parts are known."""

import numpy as np
import skimage.color

from oldrestore.color.bins import AB_BINS
from oldrestore.color.gamut import largest_chroma
from oldrestore.studio.likely import likely_colors


def bump(ab, spread=4.0):
    p = np.exp(-((AB_BINS - ab) ** 2).sum(axis=1) / (2 * spread**2))
    return p / p.sum()


def test_separate_parts_come_back_by_their_shares():
    truth = {(0.0, -42.0): 0.15, (0.0, 0.0): 0.2, (50.0, 30.0): 0.4, (-40.0, 40.0): 0.25}
    found = likely_colors(sum(share * bump(np.array(ab)) for ab, share in truth.items()), 60.0)
    assert len(found) == 4 and [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    for ab, share in truth.items():
        near = [one for one in found if np.hypot(*np.subtract(one.ab, ab)) < 20]
        assert abs(sum(one.share for one in near) - share) < 0.05
        mean = np.average([one.ab for one in near], axis=0, weights=[one.share for one in near])
        np.testing.assert_allclose(mean, ab, atol=3.0)


def test_colours_are_what_srgb_shows_at_that_lightness():
    for one in likely_colors(bump(np.array([60.0, -80.0]), 3.0), 95.0):
        assert np.hypot(*one.ab) <= largest_chroma(np.array([[95.0, *one.ab]], np.float32))[0] + 1.5
        rgb = np.frombuffer(bytes.fromhex(one.color[1:]), np.uint8)
        lab = skimage.color.rgb2lab(rgb / 255.0)
        np.testing.assert_allclose(lab[1:], one.ab, atol=0.1)
        assert abs(lab[0] - 95.0) < 1
