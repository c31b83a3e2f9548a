"""Finds damage with a network that was trained on synthetic damage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import paddle
from pydantic import Field
from skimage.filters import apply_hysteresis_threshold

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.models.damage_unet import DamageUnet
from oldrestore.models.released import released_weights
from oldrestore.models.weights_header import read_header
from oldrestore.restoration.detect.working_size import at_full_size, at_most, enlarged
from oldrestore.restoration.network_input import to_tensor
from oldrestore.restoration.stages import Detection
from oldrestore.restoration.tiling import tiles

WIDEST = 4
TILE = 768  # side that goes through the network at once, without its surroundings, pixels
REDUCED = 2  # times by which the photograph is reduced for the second pass
OVERLAP = 128  # pixels around a tile: no score depends on pixels further away


class LearnedDetector:
    """A segmentation network, `oldrestore.models.damage_unet.DamageUnet`.

    The network sees a photograph twice, with a shorter side of at most `size` pixels and of half of that, where broad
    damage looks as it did in training; the confidence is the higher of its two probabilities. Long photographs are
    cut into overlapping tiles, so that memory stays bounded.
    """

    @checked
    def __init__(
        self,
        weights: str = "released",  # those shipped, or a safetensors file: weights or a checkpoint of a run
        width: Annotated[float, Field(gt=0, le=WIDEST)] | None = None,  # by default as the weights file says
        size: Annotated[int, Field(ge=32)] | None = 512,  # largest shorter side, pixels; None is full size
        # Probability above which damage is detected: lower finds more and is wrong more often.
        threshold: Annotated[float, Field(gt=0, lt=1)] = 0.995,
        # Probability down to which detected damage continues (hysteresis, Canny 1986).
        lower: Annotated[float, Field(gt=0, lt=1)] = 0.9,
        network: Any = None,  # one that predicts ``damage_logits``, in place of `weights`
    ) -> None:
        if lower > threshold:
            raise UserError(f"a learned detector needs lower at most threshold, not {lower} and {threshold}")
        self.network = network or _load(weights, width)
        if "damage_logits" not in getattr(self.network, "predicts", ()):
            raise UserError(f"{type(self.network).__name__} does not detect damage: take a network such as damage_unet")
        self.network.eval()
        self.size = size
        self.threshold = threshold
        self.lower = lower

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Find damage."""
        rgb = at_most(rgb_hw3, self.size)
        probability = self._probability(rgb)
        smaller = at_most(rgb, self.size, REDUCED)
        if smaller is not rgb:
            np.maximum(probability, enlarged(self._probability(smaller), probability.shape), out=probability)
        mask = apply_hysteresis_threshold(probability, self.lower, self.threshold)
        return at_full_size(mask, np.clip(probability, 0.0, 1.0), rgb_hw3.shape[:2])

    def _probability(self, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        probability = np.empty((height, width), dtype=np.float32)
        stride = self.network.stride
        for tile in tiles(height, width, TILE, OVERLAP):
            # Starts on the network's grid, so that it sees each pixel as it would in the whole.
            seen = tuple(slice(cut.start - cut.start % stride, cut.stop) for cut in tile.seen)
            kept = tuple(slice(k.start - s.start, k.stop - s.start) for k, s in zip(tile.kept, seen, strict=True))
            probability[tile.kept] = self._look(rgb[seen])[kept]
        return probability

    @paddle.no_grad()
    def _look(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Probability of each pixel, float32 (H, W)."""
        height, width = rgb_hw3.shape[:2]
        logits = self.network(to_tensor(rgb_hw3, self.network.stride)).damage_logits
        return paddle.nn.functional.sigmoid(logits)[0, 0].numpy()[:height, :width]


def _load(weights: str, width: float | None) -> DamageUnet:
    if width is None:
        header = None if weights == "released" else read_header(Path(weights))
        # Most files that do not say it have the width of the shipped weights.
        settings = header.settings if header is not None else released_weights("damage_unet").settings
        width = settings.get("width", 1.0)
        if not isinstance(width, int | float) or not 0 < width <= WIDEST:  # a file is untrusted input
            raise UserError(f"the width recorded in '{weights}' must be within 0..{WIDEST}, not {width!r:.40}")
    return DamageUnet(width=width, weights=weights)
