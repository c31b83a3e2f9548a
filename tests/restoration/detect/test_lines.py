"""The strength of lines against direct sums in float64, and what has none: edges, spots, planes."""

import math

import numpy as np
import pytest
from scipy import ndimage

from oldrestore.restoration.detect.lines import DIRECTIONS, line_strength

LENGTH, WIDTH, GAP = 16.0, 0.6, 2.0


def strength(picture: np.ndarray) -> np.ndarray:
    picture = picture.astype(np.float32)
    return line_strength(picture, picture, LENGTH, WIDTH, GAP)


def direct(picture: np.ndarray, row: int, column: int) -> float:
    """The definition, at one pixel: weighted sums over segments half as long, ends soft by a pixel."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    best = 0.0
    for number in range(DIRECTIONS):
        angle = math.pi * number / DIRECTIONS
        along = np.array([math.sin(angle), math.cos(angle)])
        across = np.array([math.cos(angle), -math.sin(angle)])

        def mean(half: int, side: int, along=along, across=across) -> float:
            # Places are whole pixels, as the picture's are.
            down, right = (round(v) for v in half * along * LENGTH / 4 + side * across * GAP)
            y, x = rows - row - down, columns - column - right
            t, d = y * along[0] + x * along[1], y * across[0] + x * across[1]
            weights = np.clip(LENGTH / 4 + 0.5 - np.abs(t), 0, 1) * np.exp(-(d**2) / (2 * WIDTH**2))
            return float((weights * picture).sum() / weights.sum())

        sides = [[mean(half, side) for side in (0, -1, 1)] for half in (-1, 1)]
        best = max(best, min(m - max(a, b) for m, a, b in sides), min(min(a, b) - m for m, a, b in sides))
    return best


def test_values_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    picture = ndimage.gaussian_filter(rng.normal(128, 40, (61, 67)), 1.0)
    picture[20:45, 30] += 60
    found = strength(picture)
    for row, column in ((30, 30), (25, 33), (40, 20), (31, 45)):
        assert found[row, column] == pytest.approx(direct(picture, row, column), abs=1e-2)


@pytest.mark.parametrize("contrast", [40.0, -40.0])
@pytest.mark.parametrize("turn", [0, 1])
def test_a_line_is_as_strong_as_its_contrast_whatever_its_sign_and_turn(contrast, turn):
    picture = np.full((60, 60), 100.0)
    picture[30] += contrast
    found = np.rot90(strength(np.rot90(picture, turn)), -turn)
    # Of the average across the line, its own row has the largest share.
    share = 1 / sum(math.exp(-(d**2) / (2 * WIDTH**2)) for d in range(-3, 4))
    np.testing.assert_allclose(found[30, 20:40], 40.0 * share, rtol=0.01)
    assert found[20:25, 20:40].max() < 0.5


def test_planes_ramps_edges_and_spots_are_no_lines():
    plane = np.full((60, 60), 77.0)
    ramp = np.tile(np.arange(60.0) * 3, (60, 1))
    edge = plane.copy()
    edge[:, 30:] += 100
    spot = plane.copy()
    spot[30, 30] += 100
    for picture in (plane, ramp, edge):
        assert strength(picture)[12:-12, 12:-12].max() < 0.5
    assert strength(spot).max() < 8.0
