"""Several kinds of damage one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damage, Damaged, Severity, Share, check_photograph
from oldrestore.errors import UserError


@checked
@dataclass
class DamageChain:
    """Damage by several steps in their order; the mask is the union of theirs.

    Each step draws from a generator of its own, seeded by one number from the chain's, so that leaving a step out
    or changing it does not change what the others draw.
    """

    kind = "chain"
    steps: Sequence[Any] | Mapping[str, Any]  # of `Damage`, in order; names are for the configuration only
    severity: Severity = 1.0  # multiplies that of every step
    chance: Share = 1.0  # with which each step is taken

    def __post_init__(self) -> None:
        self.steps = list(self.steps.values() if isinstance(self.steps, Mapping) else self.steps)
        for step in self.steps:
            if not isinstance(step, Damage):
                raise UserError(f"a step of a damage chain is a kind of damage (conf/damage), not {step!r}")

    @property
    def structured(self) -> bool:
        """Whether every step leaves pixels outside its mask as they are."""
        return all(step.structured for step in self.steps)

    def __call__(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Damage a photograph, uint8 (H, W, 3); see `Damage`. Two numbers are drawn for each step."""
        check_photograph(rgb_hw3)
        seeds, chances = rng.integers(0, 2**63, len(self.steps)), rng.random(len(self.steps))
        rgb, mask = rgb_hw3.copy(), np.zeros(rgb_hw3.shape[:2], dtype=bool)
        masks: dict[str, np.ndarray] = {}
        for step, seed, drawn in zip(self.steps, seeds, chances, strict=True):
            if drawn >= self.chance:
                continue
            damaged = step.at(step.severity * self.severity)(rgb, np.random.default_rng(int(seed)))
            rgb = damaged.rgb_hw3
            mask |= damaged.mask_hw
            for kind, kind_mask in damaged.masks.items():
                masks[kind] = masks[kind] | kind_mask if kind in masks else kind_mask
        return Damaged(rgb, mask, self.kind, masks)

    def at(self, severity: Severity) -> Self:
        """Return the same chain with another severity."""
        return replace(self, severity=severity)


def check_damages(damages: Mapping[str, Any]) -> None:
    """Refuse what is not a kind of damage among the values of the setting ``damages``."""
    for name, damage in damages.items():
        if not isinstance(damage, Damage | DamageChain):
            raise UserError(f"damages.{name} must be a choice of conf/damage, not {damage}")
