"""CIEDE2000 against scikit-image and against pairs published to check implementations."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000

from oldrestore.color.difference import PIXELS_AT_ONCE, ciede2000

# Sharma, Wu and Dalal (2005), table 1: pairs on both sides of what is not continuous, and ordinary ones.
PUBLISHED = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, -0.001, 2.49), (50.0, 0.0011, -2.49), 4.7461),
    ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "difference"), PUBLISHED)
def test_published_pairs(one, other, difference):
    assert ciede2000(np.array(one), np.array(other)) == pytest.approx(difference, abs=5e-5)
    assert ciede2000(np.array(other), np.array(one)) == pytest.approx(difference, abs=5e-5)


@pytest.mark.parametrize("spread", [0.5, 10.0, 200.0])
def test_against_scikit_image(spread):
    rng = np.random.default_rng(0)
    one = rng.uniform((0, -90, -110), (100, 100, 95), (3, PIXELS_AT_ONCE // 2 + 1, 3))
    other = one + rng.normal(0, spread, one.shape) * (0.5, 1, 1)
    np.testing.assert_allclose(ciede2000(one, other), deltaE_ciede2000(one, other), atol=1e-9)
    gray = one * (1, 0, 0)
    np.testing.assert_allclose(ciede2000(one, gray), deltaE_ciede2000(one, gray), atol=1e-9)
    assert (ciede2000(gray, gray) == 0).all()


def test_what_is_no_pair_is_refused():
    with pytest.raises(ValueError, match="pairs"):
        ciede2000(np.zeros((4, 3)), np.zeros((5, 3)))
