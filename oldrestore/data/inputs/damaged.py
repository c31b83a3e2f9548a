"""Inputs with damage of several kinds: a photograph, the same photograph damaged, and where structure is lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import paddle

from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage, Damaged, Severity, Share
from oldrestore.data.damage.chain import DamageChain
from oldrestore.data.damage.mixing import luma
from oldrestore.data.inputs.colors import with_holes
from oldrestore.errors import UserError

SEVERITY_STEPS = 256  # severities are drawn in whole steps


@checked
@dataclass
class DamagedPhotos:
    """Damages each photograph anew, with a severity drawn evenly from `lowest` to `highest`.

    One kind of damage takes the severity as it is; in a chain it multiplies the severity of every step.
    """

    damage: Any
    lowest: Severity = 0.25
    highest: Severity = 1.0
    # What stands where structure is lost, in every channel, for restorers that are told where. None leaves the damage
    # in sight, for detectors and for restorers that see through stains.
    fill: Share | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.damage, Damage | DamageChain):
            raise UserError(
                f"inputs.damage must be a choice of conf/damage (damage@inputs.damage=medium), not {self.damage}"
            )
        if self.lowest > self.highest:
            raise UserError(f"inputs.lowest={self.lowest} must be at most inputs.highest={self.highest}")

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Make a batch; see `with_holes`."""
        drawn = [self.draw(rgb, rng) for rgb in rgb_bhw3.numpy()]
        pictures = np.stack([damaged.rgb_hw3 for damaged in drawn]).transpose(0, 3, 1, 2)
        damaged_b3hw = paddle.to_tensor(pictures.astype(np.float32) / 255.0, place=rgb_bhw3.place)
        return with_holes(rgb_bhw3, names, damaged_b3hw, np.stack([one.mask_hw for one in drawn]), self.fill)

    def draw(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Damage one photograph, uint8 (H, W, 3), with a severity of its own."""
        step = int(rng.integers(0, SEVERITY_STEPS + 1))
        severity = self.lowest + (self.highest - self.lowest) * (step / SEVERITY_STEPS)
        return self.damage.at(severity)(rgb_hw3, rng)


@checked
@dataclass
class DetectionInputs(DamagedPhotos):
    """Damaged photographs as `DamagedPhotos` makes them, a share of them without colour.

    Most old photographs have none. A detector that has only seen colour takes gray for a sign of damage, which is
    gray or brown for the most part.
    """

    fill: None = field(default=None, init=False)
    gray: Share = 0.3  # share of photographs that lose their colour, after the damage

    def draw(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Damage one photograph, uint8 (H, W, 3), with a severity of its own."""
        drawn = float(rng.random())
        damaged = super().draw(rgb_hw3, rng)
        if drawn >= self.gray:
            return damaged
        gray_hw1 = luma(damaged.rgb_hw3)[..., None].astype(np.uint8)
        return replace(damaged, rgb_hw3=np.repeat(gray_hw1, 3, axis=2))
