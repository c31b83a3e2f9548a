"""A scratch is found where it is, whole photographs stay whole, and sizes and channels do not matter."""

import numpy as np
import pytest
from skimage import data

from oldrestore.evaluation.mask_counts import MaskCounts
from oldrestore.restoration.detect.classical import ClassicalDetector, specks, without_small
from oldrestore.restoration.detect.working_size import at_full_size, at_most
from oldrestore.restoration.stages import Detector
from tests.restoration.detect.pictures import scratched, smooth


@pytest.mark.parametrize("level", [245, 10])
@pytest.mark.parametrize("gray", [False, True])
def test_a_scratch_is_found_where_it_is(level, gray):
    damaged, mask = scratched(smooth(0, 120, 160, gray), level)
    before = damaged.copy()
    assert isinstance(ClassicalDetector(), Detector)
    found = ClassicalDetector()(damaged)
    assert MaskCounts.of(found.mask_hw, mask, tolerance=1.0).recall > 0.95
    # A strong scratch is taken for a crease too, whose flanks are broader.
    assert MaskCounts.of(found.mask_hw, mask, tolerance=4.0).precision > 0.95
    assert found.confidence_hw[mask].mean() > 2 * found.confidence_hw[~mask].mean()
    np.testing.assert_array_equal(damaged, before)


def test_a_speck_is_found_and_can_be_left_out():
    damaged = smooth(1, 100, 100)
    damaged[40:43, 60:63] = 250
    assert ClassicalDetector()(damaged).mask_hw[41, 61]
    assert not ClassicalDetector(speck_threshold=None)(damaged).mask_hw.any()


def test_on_whole_photographs_less_than_a_hundredth_is_found():
    shares = [ClassicalDetector()(photo).mask_hw.mean() for photo in (data.astronaut(), data.coffee(), data.chelsea())]
    assert np.mean(shares) < 0.01


def test_a_large_scan_is_searched_at_a_reduced_size_and_its_mask_is_full_size():
    large, mask = scratched(smooth(2, 300, 420).repeat(2, axis=0).repeat(2, axis=1))
    mask |= np.roll(mask, 2, axis=0)
    large = np.where(mask[..., None], np.uint8(245), large)
    found = ClassicalDetector(size=300)(large)
    assert found.mask_hw.shape == (600, 840)
    assert MaskCounts.of(found.mask_hw, mask, tolerance=2.0).recall > 0.95
    assert MaskCounts.of(found.mask_hw, mask, tolerance=12.0).precision > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2), (37, 5)])
def test_tiny_pictures_are_whole(shape):
    found = ClassicalDetector()(np.full((*shape, 3), 90, dtype=np.uint8))
    assert found.mask_hw.shape == shape and not found.mask_hw.any()
    assert np.isfinite(found.confidence_hw).all()


def test_small_parts_go_and_long_ones_are_no_specks():
    mask = np.zeros((40, 40), dtype=bool)
    mask[5, 5:35] = mask[20, 20] = mask[21, 21] = True
    kept = without_small(mask, 10)
    assert kept[5, 5:35].all() and kept.sum() == 30
    assert np.argwhere(specks(mask * np.float32(9), 2.0)).tolist() == [[20, 20], [21, 21]]


def test_photographs_are_reduced_never_enlarged():
    rgb = np.zeros((60, 91, 3), dtype=np.uint8)
    assert at_most(rgb, 30).shape == at_most(rgb, 60, 2).shape == (30, 46, 3)
    assert at_most(rgb, 60) is at_most(rgb, None) is rgb


def test_a_mask_returns_to_its_place():
    small = np.zeros((20, 30), dtype=bool)
    small[5:10, 12:20] = True
    confidence = small.astype(np.float32)
    found = at_full_size(small, confidence, (80, 120))
    # Corners of a bilinear half-way line are cut; sides are where they were.
    assert (found.mask_hw ^ small.repeat(4, axis=0).repeat(4, axis=1)).sum() <= 4 * 4
    assert found.mask_hw[21:39, 49:79].all()
    np.testing.assert_allclose(found.confidence_hw[24:36, 52:76], 1.0)
    untouched = at_full_size(small, confidence, (20, 30))
    assert untouched.mask_hw is small and untouched.confidence_hw is confidence
