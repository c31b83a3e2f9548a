"""Tells a photograph with colours from one that is gray, toned or tinted."""

from __future__ import annotations

import cv2
import numpy as np

from oldrestore.color.lab import rgb_to_lab

LOOKED_AT = 160  # pixels of the longer side: noise and thin scratches do not count
TONES = 10  # steps of lightness
LIT = 10.0  # Lab units of L: below, a pixel is too dark to show a colour
LEAST_LIT = 0.002  # share of the pixels; with fewer, the dark ones are judged as well
OFF_TONE = 8.0  # Lab units of ab
VIVID = 50.0  # chroma, Lab units of ab, beyond that of sepia, cyanotype and other toned prints
SHARE = 0.05


def has_colors(rgb_hw3: np.ndarray) -> bool:
    """Whether a photograph has colours of its own, beyond one tone for each lightness.

    A gray photograph has none, nor has a sepia print, a tinted one or a black-and-white one that has yellowed: their
    colour follows their lightness. Of the pixels that are not nearly black, more than `SHARE` must be further than
    `OFF_TONE` from the median colour of their lightness, or more colourful than any toned print (`VIVID`): a red flower
    before a black ground has one tone for each lightness as well. It is a rule of thumb: one large stain has colour, a
    photograph of fog has none.

    Parameters
    ----------
    rgb_hw3 : np.ndarray
        uint8 sRGB (H, W, 3).
    """
    height, width = rgb_hw3.shape[:2]
    scale = min(1.0, LOOKED_AT / max(height, width))
    sides = max(1, round(width * scale)), max(1, round(height * scale))
    lab = rgb_to_lab(cv2.resize(rgb_hw3, sides, interpolation=cv2.INTER_AREA)).reshape(-1, 3)
    lit = lab[:, 0] > LIT
    if lit.mean() >= LEAST_LIT:
        lab = lab[lit]
    tone = np.clip((lab[:, 0] * (TONES / 100.0)).astype(int), 0, TONES - 1)
    off = np.hypot(lab[:, 1], lab[:, 2]) > VIVID
    for step in np.unique(tone):
        ab = lab[tone == step, 1:]
        off[tone == step] |= np.hypot(*(ab - np.median(ab, axis=0)).T) > OFF_TONE
    return bool(off.mean() > SHARE)
