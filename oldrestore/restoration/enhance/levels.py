"""Gives a faded, flat or tinted photograph its blacks and whites back."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


class Levels:
    """Stretches each channel to the full range, so that black is black and white is white: fading, contrast, cast.

    A photograph that reaches about the full range, within `least_loss`, is left as it is; another is stretched to
    within `tolerance` of it.

    Parameters
    ----------
    clip : float
        Percentage of pixels that may become darker than black, and as many brighter than white.
    tolerance : int
        How far (0..255) the darkest and brightest tones may stay from 0 and 255.
    least_loss : int
        How far they must be from there, in one channel at least, before anything is done.
    largest_gain : float
        How many times the contrast may grow at most.
    channels : bool
        Each channel for itself, which takes a cast away; or all alike, which keeps it.
    strength : float
        Share of the way to go, 0..1.
    """

    @checked
    def __init__(
        self,
        clip: Annotated[float, Field(ge=0, le=10)] = 0.1,
        tolerance: Annotated[int, Field(ge=0, le=64)] = 8,
        largest_gain: Annotated[float, Field(ge=1, le=20)] = 4.0,
        least_loss: Annotated[int, Field(ge=0, le=128)] = 16,
        channels: bool = True,
        strength: Annotated[float, Field(ge=0, le=1)] = 1.0,
    ) -> None:
        self.clip = clip
        self.tolerance = tolerance
        self.largest_gain = largest_gain
        self.least_loss = least_loss
        self.channels = channels
        self.strength = strength

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Stretch; see `oldrestore.restoration.enhance.base.Enhancer`."""
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
        """What becomes of each value 0..255 of a channel with this histogram, uint8 (256,)."""
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
    return np.stack([_histogram(rgb_hw3[..., channel]) for channel in range(3)])


def _histogram(channel_hw: np.ndarray) -> np.ndarray:
    # In bands: bincount makes 8 bytes of each pixel.
    bands = range(0, channel_hw.shape[0], 256)
    return sum(np.bincount(channel_hw[top : top + 256].ravel(), minlength=256) for top in bands)


def ends(counts: np.ndarray, clip: float) -> tuple[int, int]:
    """Lowest and highest value of a histogram (256,), where `clip` percent of the pixels are let go on each side."""
    share = np.cumsum(counts) / counts.sum()
    let_go = clip / 100.0
    return int(np.searchsorted(share, let_go, side="right")), int(np.searchsorted(share, 1.0 - let_go - 1e-12))
