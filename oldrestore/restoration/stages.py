"""The stages that repair a photograph: detect, fill, restore. Colour comes after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.config.values import checked

STAGES = ("detect", "fill", "restore", "colorize")

# Of `has_colors`.
LOOKED_AT = 160  # longer side, pixels: noise and thin scratches do not count
TONES = 10  # steps of lightness
LIT = 10.0  # Lab units of L: below, a pixel is too dark to show a colour
LEAST_LIT = 0.002  # share of the pixels; with fewer, the dark ones are judged as well
OFF_TONE = 8.0  # Lab units of ab
VIVID = 50.0  # chroma, Lab units of ab, beyond that of sepia, cyanotype and other toned prints
SHARE = 0.05


@dataclass(frozen=True)
class Detection:
    """Where a photograph is damaged."""

    mask_hw: np.ndarray  # bool (H, W), True where structure is lost and must be filled
    # float32 (H, W), 0..1: how sure the detector is that a pixel is lost, on a scale of its own.
    confidence_hw: np.ndarray

    def __post_init__(self) -> None:
        assert self.mask_hw.ndim == 2 and self.mask_hw.shape == self.confidence_hw.shape
        assert self.mask_hw.dtype == np.bool_ and self.confidence_hw.dtype == np.float32


@runtime_checkable
class Detector(Protocol):
    """Finds damage in a photograph of any size, gray (three equal channels) or in colour."""

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Find damage in uint8 sRGB (H, W, 3), which does not change."""


@runtime_checkable
class Filler(Protocol):
    """Fills holes in a photograph of any size, gray (three equal channels) or in colour."""

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
        """Return a copy of uint8 sRGB (H, W, 3), filled where the mask, bool (H, W), is True.

        Every other pixel is equal bit for bit. Values in holes must not matter.
        """


@runtime_checkable
class Enhancer(Protocol):
    """Repairs wear all over a photograph: noise, fading, a cast, low contrast. A gray photograph stays gray."""

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Return uint8 sRGB (H, W, 3): a new array, or `rgb_hw3` itself, which does not change, if it is sound."""


def is_gray(rgb_hw3: np.ndarray) -> bool:
    """Whether the three channels are equal everywhere."""
    return bool(np.array_equal(rgb_hw3[..., 0], rgb_hw3[..., 1]) and np.array_equal(rgb_hw3[..., 0], rgb_hw3[..., 2]))


@dataclass(frozen=True)
class Mended:
    """A photograph after each stage, uint8 (H, W, 3); None for a stage that did not run."""

    original: np.ndarray
    mask_hw: np.ndarray | None = None  # bool (H, W), True where structure is lost
    filled: np.ndarray | None = None  # its holes filled
    restored: np.ndarray | None = None  # without noise, fading and the like

    @property
    def structure(self) -> np.ndarray:
        """The photograph before its tones changed."""
        return self.original if self.filled is None else self.filled

    @property
    def picture(self) -> np.ndarray:
        """The result of the last stage."""
        return self.structure if self.restored is None else self.restored


@checked
@dataclass(frozen=True)
class Pipeline:
    """Finds damage, fills it, and repairs wear all over the photograph."""

    detect: Detector | None = None
    fill: Filler | None = None
    restore: Sequence[Enhancer] = ()

    def __call__(self, rgb_hw3: np.ndarray, mask_hw: np.ndarray | None = None) -> Mended:
        """Repair uint8 sRGB (H, W, 3), which does not change; with a mask, bool (H, W), nothing is detected."""
        if mask_hw is not None and mask_hw.shape != rgb_hw3.shape[:2]:
            raise ValueError(f"a mask of {mask_hw.shape} does not fit a photograph of {rgb_hw3.shape[:2]}")
        if mask_hw is None and self.detect is not None:
            mask_hw = self.detect(rgb_hw3).mask_hw
        filled = None
        if mask_hw is not None and self.fill is not None:
            filled = self.fill(rgb_hw3, mask_hw) if mask_hw.any() else rgb_hw3
        restored = None
        if self.restore:
            restored = rgb_hw3 if filled is None else filled
            for enhance in self.restore:
                restored = enhance(restored)
        return Mended(rgb_hw3, mask_hw, filled, restored)


def has_colors(rgb_hw3: np.ndarray) -> bool:
    """Whether a photograph has colours of its own, beyond one tone for each lightness.

    A gray photograph has none, nor has a sepia print, a tinted one or a black-and-white one that has yellowed: their
    colour follows their lightness. Of the pixels that are not nearly black, more than `SHARE` must be further than
    `OFF_TONE` from the median colour of their lightness, or more colourful than any toned print (`VIVID`): a red flower
    on a black ground has one tone for each lightness as well. It is a rule of thumb: one large stain has colour, a
    photograph of fog has none.
    """
    lab_n3 = small_lab(rgb_hw3).reshape(-1, 3)
    lit = lab_n3[:, 0] > LIT
    if lit.mean() >= LEAST_LIT:
        lab_n3 = lab_n3[lit]
    return bool(off_tone(lab_n3, lab_n3).mean() > SHARE)


def small_lab(rgb_hw3: np.ndarray) -> np.ndarray:
    """Return a photograph in Lab, so small that noise and thin scratches do not count: float32 (h, w, 3)."""
    height, width = rgb_hw3.shape[:2]
    scale = min(1.0, LOOKED_AT / max(height, width))
    sides = max(1, round(width * scale)), max(1, round(height * scale))
    return rgb_to_lab(cv2.resize(rgb_hw3, sides, interpolation=cv2.INTER_AREA))


def off_tone(lab_n3: np.ndarray, of_tone_m3: np.ndarray) -> np.ndarray:
    """Say which colours (N, 3) are not of the tone that others (M, 3) have; bool (N,). See `distance_from_tone`."""
    vivid = np.hypot(lab_n3[:, 1], lab_n3[:, 2]) > VIVID
    return vivid | (distance_from_tone(lab_n3, of_tone_m3) > OFF_TONE)


def distance_from_tone(lab_n3: np.ndarray, of_tone_m3: np.ndarray) -> np.ndarray:
    """Return how far colours (N, 3) are from the median ab that others (M, 3) have at their lightness; (N,)."""
    tone, theirs = (np.clip((lab[:, 0] * (TONES / 100.0)).astype(int), 0, TONES - 1) for lab in (lab_n3, of_tone_m3))
    steps = np.unique(theirs)
    medians = {step: np.median(of_tone_m3[theirs == step, 1:], axis=0) for step in steps}
    distance = np.empty(len(lab_n3))
    for step in np.unique(tone):
        nearest = steps[np.abs(steps - step).argmin()]  # the same, unless the others have none
        distance[tone == step] = np.hypot(*(lab_n3[tone == step, 1:] - medians[nearest]).T)
    return distance
