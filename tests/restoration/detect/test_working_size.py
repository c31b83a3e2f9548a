"""Photographs are made smaller, never larger, and masks come back to where they were."""

from __future__ import annotations

import numpy as np

from oldrestore.restoration.detect.working_size import at_full_size, at_most


def test_the_shorter_side_is_made_smaller_and_never_larger():
    rgb = np.zeros((60, 91, 3), dtype=np.uint8)
    assert at_most(rgb, 30).shape == (30, 46, 3)
    assert at_most(rgb, 60) is rgb
    assert at_most(rgb, None) is rgb


def test_a_mask_comes_back_to_its_place():
    small = np.zeros((20, 30), dtype=bool)
    small[5:10, 12:20] = True
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    confidence = small.astype(np.float32)
    found = at_full_size(small, confidence, (80, 120))
    # Corners of a bilinear half-way line are cut; sides are where they were.
    assert (found.mask_hw ^ large).sum() <= 4 * 4
    assert found.mask_hw[21:39, 49:79].all()
    np.testing.assert_allclose(found.confidence_hw[24:36, 52:76], 1.0)


def test_at_the_same_size_nothing_is_touched():
    mask, confidence = np.eye(5, dtype=bool), np.eye(5, dtype=np.float32)
    found = at_full_size(mask, confidence, (5, 5))
    assert found.mask_hw is mask and found.confidence_hw is confidence
