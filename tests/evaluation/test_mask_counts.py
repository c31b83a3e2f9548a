"""Precision, recall, F1 and IoU against hand-counted masks and scikit-learn; pooling adds pixels."""

import numpy as np
import pytest
from sklearn import metrics

from oldrestore.evaluation.mask_counts import MaskCounts
from oldrestore.evaluation.scores import summarize


def masks(seed: int, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.random((17, 23)) < share
    return true ^ (rng.random((17, 23)) < 0.2), true


def test_values_are_scikit_learns():
    found, true = masks(0)
    counts = MaskCounts.of(found, true)
    given = true.ravel(), found.ravel()
    assert counts.precision == pytest.approx(metrics.precision_score(*given))
    assert counts.recall == pytest.approx(metrics.recall_score(*given))
    assert counts.f1 == pytest.approx(metrics.f1_score(*given))
    assert counts.iou == pytest.approx(metrics.jaccard_score(*given))
    assert counts.false_share == pytest.approx((found & ~true).mean())


def test_pooling_is_counting_all_pixels_at_once_and_so_are_the_weights_of_images():
    pairs = [masks(1, 0.1), masks(2, 0.6)]
    total = sum((MaskCounts.of(*pair) for pair in pairs), MaskCounts())
    joined = MaskCounts.of(*(np.concatenate([pair[i] for pair in pairs]) for i in (0, 1)))
    assert total == joined
    rows = [row for i, pair in enumerate(pairs) for row in MaskCounts.of(*pair).image_scores(str(i), "x")]
    pooled = summarize(rows)
    for name in ("precision", "recall", "f1", "iou"):
        assert pooled[f"x_{name}"] == pytest.approx(getattr(total, name))


def test_a_tolerance_forgives_a_border_and_no_more():
    true, found = (np.zeros((9, 9), dtype=bool) for _ in range(2))
    true[4], found[5], found[8, 0] = True, True, True
    strict, near = MaskCounts.of(found, true), MaskCounts.of(found, true, tolerance=1.0)
    assert (strict.precision, strict.recall, strict.f1, strict.iou) == (0.0, 0.0, 0.0, 0.0)
    assert near.precision == pytest.approx(9 / 10)
    assert near.recall == 1.0
    assert near.f1 == pytest.approx(18 / 19)
    assert near.iou == 0.0
    assert near.false_share == pytest.approx(1 / 81)


def test_nothing_to_find_and_nothing_found():
    empty, full = np.zeros((3, 4), dtype=bool), np.ones((3, 4), dtype=bool)
    nothing = MaskCounts.of(empty, empty, tolerance=2.0)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.iou, nothing.false_share) == (1, 1, 1, 1, 0)
    imagined = MaskCounts.of(full, empty, tolerance=2.0)
    assert (imagined.precision, imagined.f1, imagined.iou, imagined.false_share) == (0, 0, 0, 1)


@pytest.mark.parametrize("found", [np.zeros((3, 4)), np.zeros((4, 3), dtype=bool)])
def test_other_types_and_sizes_are_refused(found):
    with pytest.raises(ValueError, match="one size"):
        MaskCounts.of(found, np.zeros((3, 4), dtype=bool))
