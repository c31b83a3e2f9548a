"""Compares a mask that was found with the true one: precision, recall, F1 and IoU, pooled over photographs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.ndimage import distance_transform_edt

from oldrestore.evaluation.scores import ImageScore

MEASURES = ("precision", "recall", "f1", "iou")


@dataclass(frozen=True)
class MaskCounts:
    """Pixels of one comparison, or of several added up.

    All shares are pooled: each pixel counts the same, in whichever photograph it stands.
    """

    found: int = 0
    true: int = 0
    found_right: int = 0  # found, and true or within the tolerance of a pixel that is
    true_found: int = 0  # true, and found or within the tolerance of a pixel that is
    both: int = 0
    pixels: int = 0

    @classmethod
    def of(cls, found_hw: np.ndarray, true_hw: np.ndarray, tolerance: float = 0.0) -> MaskCounts:
        """Compare two masks, bool (H, W).

        `tolerance` is the distance in pixels up to which precision and recall forgive a border that is drawn
        elsewhere, as is usual for edges and roads. IoU forgives nothing.
        """
        if found_hw.dtype != np.bool_ or true_hw.dtype != np.bool_ or found_hw.shape != true_hw.shape:
            raise ValueError(
                f"masks are bool and of one size, not {found_hw.dtype} {found_hw.shape} and "
                f"{true_hw.dtype} {true_hw.shape}"
            )
        return cls(
            found=int(found_hw.sum()),
            true=int(true_hw.sum()),
            found_right=int((found_hw & _near(true_hw, tolerance)).sum()),
            true_found=int((true_hw & _near(found_hw, tolerance)).sum()),
            both=int((found_hw & true_hw).sum()),
            pixels=found_hw.size,
        )

    def __add__(self, other: MaskCounts) -> MaskCounts:
        return MaskCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def precision(self) -> float:
        """Share of what was found that is right, 0..1; 1 where nothing was found."""
        return self.found_right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the true mask that was found, 0..1; 1 if there is nothing to find."""
        return self.true_found / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0..1; without tolerance 2 |A and B| / (|A| + |B|)."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def iou(self) -> float:
        """Pixels in both masks over pixels in either, 0..1; 1 where both are empty."""
        either = self.found + self.true - self.both
        return self.both / either if either else 1.0

    @property
    def false_share(self) -> float:
        """Share of all pixels that were found and are wrong, 0..1."""
        return (self.found - self.found_right) / self.pixels if self.pixels else 0.0

    def image_scores(self, image: str, prefix: str) -> list[ImageScore]:
        """Scores of one photograph, weighted so that without tolerance their weighted means are the pooled values."""
        weights = (self.found, self.true, self.found + self.true, self.found + self.true - self.both)
        named = zip(MEASURES, weights, strict=True)
        return [ImageScore(image, f"{prefix}_{name}", getattr(self, name), float(weight)) for name, weight in named]


def _near(mask_hw: np.ndarray, tolerance: float) -> np.ndarray:
    if tolerance <= 0 or not mask_hw.any():
        return mask_hw
    return distance_transform_edt(~mask_hw) <= tolerance
