"""Colour science: sRGB and CIE Lab, the 313 ab bins, soft encoding, decoding and the colour prior.

What is imported here needs no Paddle; modules that work on tensors end in ``_paddle``.
"""

from oldrestore.color.bins import AB_BINS, GRID_STEP, NUMBER_OF_BINS, nearest_bin
from oldrestore.color.lab import gray_rgb8, lab_to_rgb, lab_to_rgb8, rgb_to_lab
from oldrestore.color.prior import count_bins, rebalancing_weights, smooth_prior

__all__ = [
    "AB_BINS",
    "GRID_STEP",
    "NUMBER_OF_BINS",
    "count_bins",
    "gray_rgb8",
    "lab_to_rgb",
    "lab_to_rgb8",
    "nearest_bin",
    "rebalancing_weights",
    "rgb_to_lab",
    "smooth_prior",
]
