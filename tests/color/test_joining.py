"""Joint bilateral upsampling: against its definition pixel by pixel, and for what it is there for."""

import numpy as np
import pytest
from PIL import Image

from oldrestore.color import joining


def join_color(ab, L, edge_range):
    """All rows at once."""
    return joining.joined_rows(ab, L, edge_range)(slice(0, len(L)))


def by_definition(ab, L, edge_range):
    """The weighted mean of the 5 x 5 nearest colours, written out for each pixel."""
    (h, w), (height, width) = ab.shape[:2], L.shape
    mean_L = L.reshape(h, height // h, w, width // w).mean(axis=(1, 3))
    out = np.zeros((height, width, 2))
    for i in range(height):
        for j in range(width):
            y, x = (i + 0.5) * h / height - 0.5, (j + 0.5) * w / width - 0.5
            total, colour = 0.0, np.zeros(2)
            for down in range(-2, 3):
                for right in range(-2, 3):
                    ny, nx = round(y) + down, round(x) + right
                    cy, cx = min(max(ny, 0), h - 1), min(max(nx, 0), w - 1)
                    near = np.exp(-((ny - y) ** 2 + (nx - x) ** 2) / (2 * joining.SPREAD**2))
                    weight = near * (np.exp(-((mean_L[cy, cx] - L[i, j]) ** 2) / (2 * edge_range**2)) + 1e-4)
                    total += weight
                    colour += weight * ab[cy, cx]
            out[i, j] = colour / total
    return out


@pytest.mark.parametrize("pixels_at_once", [2**18, 40, 1])
def test_equals_the_definition(monkeypatch, pixels_at_once):
    monkeypatch.setattr(joining, "PIXELS", pixels_at_once)
    rng = np.random.default_rng(0)
    ab = rng.uniform(-80, 80, (4, 5, 2)).astype(np.float32)
    L = rng.uniform(0, 100, (16, 20)).astype(np.float32)
    np.testing.assert_allclose(join_color(ab, L, 9.0), by_definition(ab, L, 9.0), atol=2e-3)


def test_without_edges_it_is_bilinear():
    rng = np.random.default_rng(1)
    ab = rng.uniform(-80, 80, (4, 6, 2)).astype(np.float32)
    joined = join_color(ab, np.zeros((16, 24), np.float32), 0.0)
    for c in range(2):
        expected = Image.fromarray(ab[..., c]).resize((24, 16), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(joined[..., c], np.asarray(expected))


def test_colour_stops_at_an_edge_of_lightness():
    """A red and a blue half meet between two colours' places: each pixel keeps the colour of its own side."""
    L = np.where(np.arange(64) < 32, 30.0, 80.0).astype(np.float32)[None].repeat(64, axis=0)
    ab = np.zeros((16, 16, 2), np.float32)
    ab[:, :8, 0], ab[:, 8:, 1] = 60.0, -60.0
    truth = ab.repeat(4, axis=0).repeat(4, axis=1)
    plain, along = join_color(ab, L, 0.0), join_color(ab, L, 6.0)
    assert np.abs(plain - truth).max() > 20.0
    assert np.abs(along - truth).max() < 0.1


def test_a_constant_stays_and_sizes_need_not_divide():
    rng = np.random.default_rng(2)
    ab = np.full((7, 9, 2), (12.0, -30.0), np.float32)
    joined = join_color(ab, rng.uniform(0, 100, (50, 31)).astype(np.float32), 5.0)
    assert joined.shape == (50, 31, 2)
    np.testing.assert_allclose(joined, np.broadcast_to((12.0, -30.0), joined.shape), rtol=1e-5)


@pytest.mark.parametrize("edge_range", [6.0, 0.0])
@pytest.mark.parametrize("shape", [(333, 20), (61, 97), (12, 9)])
def test_some_rows_at_a_time_are_the_rows_of_the_whole(edge_range, shape):
    rng = np.random.default_rng(3)
    ab = rng.uniform(-80, 80, (12, 9, 2)).astype(np.float32)
    L = rng.uniform(0, 100, shape).astype(np.float32)
    of_rows = joining.joined_rows(ab, L, edge_range)
    pieces = [of_rows(slice(top, min(top + 17, shape[0]))) for top in range(0, shape[0], 17)]
    # Pillow places a part of a picture in double precision: the last bits of a weight may differ.
    np.testing.assert_allclose(np.concatenate(pieces), join_color(ab, L, edge_range), atol=5e-4)
