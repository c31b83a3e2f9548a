"""Restores the blacks and whites of a faded, flat or tinted photograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@checked
@dataclass(frozen=True)
class Levels:
    """Stretches each channel to the full range, so that black is black and white is white: fading, contrast, cast.

    A photograph that reaches about the full range, within `least_loss`, does not change; another is stretched to
    within `tolerance` of it.
    """

    # Percentage of pixels that may become darker than black, and as many brighter than white.
    clip: Annotated[float, Field(ge=0, le=10)] = 0.1
    # How far (0..255) the darkest and brightest tones may stay from 0 and 255.
    tolerance: Annotated[int, Field(ge=0, le=64)] = 8
    largest_gain: Annotated[float, Field(ge=1, le=20)] = 4.0  # of contrast
    # How far the ends must be from 0 and 255, in at least one channel, before anything changes.
    least_loss: Annotated[int, Field(ge=0, le=128)] = 16
    channels: bool = True  # each channel by itself, which removes a cast; or all alike, which keeps it
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0  # share of the stretched values in the result

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Stretch."""
        counts = histograms(rgb_hw3)
        if not self.channels:
            # A tone's luma is not known from three histograms; their weighted sum is near enough for its ends.
            counts = np.repeat((LUMA[:, None] * counts).sum(axis=0, keepdims=True), 3, axis=0)
        reached = [ends(count, self.clip) for count in counts]
        if all(low <= self.least_loss and high >= 255 - self.least_loss for low, high in reached):
            return rgb_hw3
        tables = np.stack([self.curve(count) for count in counts])
        if (tables == np.arange(256)).all():
            return rgb_hw3
        stretched = np.empty_like(rgb_hw3)
        for channel, table in enumerate(tables):
            np.take(table, rgb_hw3[..., channel], out=stretched[..., channel])
        return stretched

    def curve(self, counts: np.ndarray) -> np.ndarray:
        """New values of 0..255 in a channel with this histogram, uint8 (256,)."""
        darkest, brightest = ends(counts, self.clip)
        values = np.arange(256.0)
        if brightest <= darkest:  # of one tone
            return values.astype(np.uint8)
        low, high = min(darkest, self.tolerance), max(brightest, 255 - self.tolerance)
        if high - low > self.largest_gain * (brightest - darkest):
            # Around the middle of the new range, so that neither end is favoured.
            half = self.largest_gain * (brightest - darkest) / 2
            low, high = (low + high) / 2 - half, (low + high) / 2 + half
        new = low + (values - darkest) * (high - low) / (brightest - darkest)
        return np.round(np.clip(values + self.strength * (new - values), 0, 255)).astype(np.uint8)


def histograms(rgb_hw3: np.ndarray) -> np.ndarray:
    """Pixels of each value, int64 (3, 256)."""
    # In bands: bincount needs 8 bytes for each pixel.
    bands = [rgb_hw3[top : top + 256] for top in range(0, rgb_hw3.shape[0], 256)]
    return np.stack([sum(np.bincount(band[..., c].ravel(), minlength=256) for band in bands) for c in range(3)])


def ends(counts: np.ndarray, clip: float) -> tuple[int, int]:
    """Lowest and highest value of a histogram (256,), without `clip` percent of the pixels on each side."""
    share = np.cumsum(counts) / counts.sum()
    clipped = clip / 100.0
    return int(np.searchsorted(share, clipped, side="right")), int(np.searchsorted(share, 1.0 - clipped - 1e-12))
