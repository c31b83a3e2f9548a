"""Strokes against the distance to their lines, and over what a detector finds."""

import numpy as np
import pytest

from oldrestore.restoration.stages import Detection
from oldrestore.studio.mask import PaintedDetector, drawn
from oldrestore.studio.session import BrushStroke


def distance_to(points, shape):
    """Distance of each pixel of `shape` to a line through points (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    distances = []
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[-1]], strict=True):
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        distances.append(np.hypot(x - x0 - along * dx, y - y0 - along * dy))
    return np.min(distances, axis=0)


LINES = [((20.0, 15.0),), ((5.0, 6.0), (50.0, 30.0), (10.0, 35.0)), ((-30.0, 8.0), (90.0, 20.0))]


@pytest.mark.parametrize("points", LINES)
@pytest.mark.parametrize("radius", [2.0, 6.0])
def test_a_stroke_covers_what_is_within_its_radius(points, radius):
    covered = drawn(BrushStroke(tool="brush", radius=radius, points=points), (40, 64), (40, 64))
    distance = distance_to(points, (40, 64))
    assert covered[distance < radius - 1].all() and not covered[distance > radius + 1.5].any()


def test_a_stroke_covers_the_same_place_at_another_size():
    stroke = BrushStroke(tool="brush", radius=12.0, points=((40.0, 60.0), (200.0, 100.0)))
    whole, half = drawn(stroke, (160, 256), (160, 256)), drawn(stroke, (80, 128), (160, 256))
    means = whole.reshape(80, 2, 128, 2).mean(axis=(1, 3))
    assert (half != (means > 0.5)).mean() < 0.02 and half.any()


def test_strokes_correct_what_is_found_in_their_order():
    found = np.zeros((20, 30), dtype=bool)
    found[:, :10] = True
    base = lambda rgb: Detection(found, found.astype(np.float32) / 2)  # noqa: E731
    dot = {"radius": 1.0, "points": ((5.0, 5.0),)}
    line = BrushStroke(tool="brush", radius=1.0, points=((20.0, 0.0), (20.0, 19.0)))
    strokes = [line, BrushStroke(tool="eraser", **dot), BrushStroke(tool="eraser", radius=1.0, points=((20.0, 10.0),))]
    rgb = np.zeros((20, 30, 3), np.uint8)
    made = PaintedDetector(base, strokes, 20, 30)(rgb)
    assert not made.mask_hw[5, 5] and made.mask_hw[5, 8] and made.mask_hw[0, 20] and not made.mask_hw[10, 20]
    assert made.confidence_hw[0, 20] == 1 and made.confidence_hw[5, 8] == 0.5 and made.confidence_hw[5, 5] == 0
    assert found[5, 5], "what the detector returned has changed"
    assert not PaintedDetector(None, [], 20, 30)(rgb).mask_hw.any()
