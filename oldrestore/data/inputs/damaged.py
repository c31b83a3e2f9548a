"""Inputs with damage of several kinds: a photograph, the same photograph damaged, and where structure is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import paddle

from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage, Damaged, Severity, Share
from oldrestore.data.damage.chain import DamageChain
from oldrestore.data.damage.mixing import luma
from oldrestore.errors import UserError

SEVERITY_STEPS = 256  # severities are drawn in whole steps


class DamagedPhotos:
    """Damages each photograph anew, with a severity drawn for it.

    Parameters
    ----------
    lowest, highest : float
        Severities are drawn evenly from the one to the other. One kind of damage takes the severity as it
        is; in a chain it multiplies the severity of every step.
    fill : float or None
        What stands where structure is lost, in every channel, for restorers that are told where. None leaves
        the damage in sight, for detectors and for restorers that see through stains.
    """

    @checked
    def __init__(
        self, damage: Any, lowest: Severity = 0.25, highest: Severity = 1.0, fill: Share | None = None
    ) -> None:
        if not isinstance(damage, Damage | DamageChain):
            raise UserError(
                f"inputs.damage must be a choice of conf/damage (damage@inputs.damage=medium), not {damage}"
            )
        if lowest > highest:
            raise UserError(f"inputs.lowest={lowest} must be at most inputs.highest={highest}")
        self.damage = damage
        self.lowest = lowest
        self.highest = highest
        self.fill = fill

    def __call__(self, rgb_bhw3: paddle.Tensor, names: Sequence[str], rng: np.random.Generator) -> Batch:
        """Make a batch with ``rgb_b3hw``, ``damaged_b3hw`` and ``hole_b1hw`` beside the undamaged L and ab."""
        batch = Batch.from_rgb(rgb_bhw3, names)
        made = [self.draw(rgb, rng) for rgb in rgb_bhw3.numpy()]
        pictures = np.stack([damaged.rgb_hw3 for damaged in made]).transpose(0, 3, 1, 2)
        masks = np.stack([damaged.mask_hw for damaged in made])[:, None]
        damaged_b3hw = paddle.to_tensor(pictures.astype(np.float32) / 255.0, place=rgb_bhw3.place)
        hole_b1hw = paddle.to_tensor(masks.astype(np.float32), place=rgb_bhw3.place)
        if self.fill is not None:
            damaged_b3hw = damaged_b3hw * (1.0 - hole_b1hw) + self.fill * hole_b1hw
        rgb_b3hw = rgb_bhw3.transpose([0, 3, 1, 2]).astype("float32") / 255.0
        return replace(batch, rgb_b3hw=rgb_b3hw, damaged_b3hw=damaged_b3hw, hole_b1hw=hole_b1hw)

    def draw(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Damage one photograph, uint8 (H, W, 3), with a severity of its own."""
        step = int(rng.integers(0, SEVERITY_STEPS + 1))
        severity = self.lowest + (self.highest - self.lowest) * (step / SEVERITY_STEPS)
        return self.damage.at(severity)(rgb_hw3, rng)


class DetectionInputs(DamagedPhotos):
    """Damaged photographs as `DamagedPhotos` makes them, a share of them without colour.

    Most old photographs have none. A detector that has only seen colour takes gray for a sign of damage, which is
    gray or brown for the most part.

    Parameters
    ----------
    lowest, highest : float
        Range of severities, 0..1.
    gray : float
        Share of photographs that lose their colour, after the damage.
    """

    @checked
    def __init__(self, damage: Any, lowest: Severity = 0.25, highest: Severity = 1.0, gray: Share = 0.3) -> None:
        super().__init__(damage, lowest, highest, fill=None)
        self.gray = gray

    def draw(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Damage one photograph, uint8 (H, W, 3), with a severity of its own."""
        drawn = float(rng.random())
        damaged = super().draw(rgb_hw3, rng)
        if drawn >= self.gray:
            return damaged
        gray_hw1 = luma(damaged.rgb_hw3)[..., None].astype(np.uint8)
        return replace(damaged, rgb_hw3=np.repeat(gray_hw1, 3, axis=2))
