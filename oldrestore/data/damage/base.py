"""What every kind of damage has in common: a severity, a seed, and a damaged photograph with its mask.

The same seed and photograph give the same damage on every machine. For that, damage is computed in whole numbers or
in float64 with operations that IEEE 754 rounds exactly (sums, products, quotients, square roots, element by element).
Sines, exponentials, matrix products and floating-point sums over an array differ between processors and are not used;
nor is `Generator.normal`, whose tails call them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked

Severity = Annotated[float, Field(ge=0, le=1)]
"""0 leaves a photograph as it is, 1 is the worst of a kind."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, 0..1."""

Count = Annotated[int, Field(ge=1, le=10_000)]
"""Most scratches, spots, ... on a photograph at severity 1; between half as many and these are drawn."""


@dataclass(frozen=True)
class Damaged:
    """A photograph after damage."""

    rgb_hw3: np.ndarray  # uint8 sRGB
    mask_hw: np.ndarray  # bool, True where structure is lost; empty for damage that leaves structure in place
    kind: str
    masks: dict[str, np.ndarray] = field(default_factory=dict)  # of each structured kind that had a part in it


@checked
@dataclass
class Damage(ABC):
    """One kind of damage.

    Draws for different severities are the same, so that more severity from one seed is more of the same damage:
    further scratches beside those that were there, each wider and stronger.
    """

    kind: ClassVar[str]  # as in ``conf/damage/KIND.yaml``
    # Whether structure is lost where the mask says. Structured damage changes no pixel outside its mask.
    structured: ClassVar[bool] = False
    severity: Severity = 0.5

    def __post_init__(self) -> None:
        self.severity = float(self.severity)

    def __call__(self, rgb_hw3: np.ndarray, rng: np.random.Generator) -> Damaged:
        """Return a damaged copy of a photograph, uint8 sRGB (H, W, 3); a gray one has three equal channels.

        `rng` is the only source of chance. One number is drawn from it, for any kind and severity.
        """
        check_photograph(rgb_hw3)
        damage_rng = np.random.default_rng(int(rng.integers(0, 2**63)))
        rgb, mask = rgb_hw3.copy(), np.zeros(rgb_hw3.shape[:2], dtype=bool)
        if self.severity > 0:
            self._apply(rgb, mask, damage_rng)
        return Damaged(rgb, mask, self.kind, {self.kind: mask} if self.structured else {})

    def at(self, severity: Severity) -> Self:
        """Return the same damage with another severity."""
        return replace(self, severity=severity)

    @abstractmethod
    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        """Damage `rgb` and mark `mask` in place; the severity is above 0."""


@checked
@dataclass
class ScatteredDamage(Damage):
    """Damage of single elements (scratches, spots, ...), each drawn by a generator of its own."""

    structured: ClassVar[bool] = True
    count: Count = 1

    def _apply(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
        total = int(rng.integers((self.count + 1) // 2, self.count + 1))
        shared = self._draw_shared(rng, rgb.shape[:2])
        # Those of severity 1 are drawn at any severity, so that the first of them stay the same.
        seeds = rng.integers(0, 2**63, total)
        for seed in seeds[: max(1, round(total * self.severity))]:
            self._draw_element(rgb, mask, np.random.default_rng(int(seed)), shared)

    def _draw_shared(self, rng: np.random.Generator, shape: tuple[int, int]) -> Any:
        """Draw what all elements of a photograph have in common."""

    @abstractmethod
    def _draw_element(self, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator, shared: Any) -> None:
        """Draw one element on `rgb` and mark `mask` in place."""


def check_photograph(rgb_hw3: np.ndarray) -> None:
    """Refuse what is not a photograph."""
    if rgb_hw3.dtype != np.uint8 or rgb_hw3.ndim != 3 or rgb_hw3.shape[2] != 3 or rgb_hw3.size == 0:
        raise ValueError(f"a photograph is uint8 (H, W, 3), not {rgb_hw3.dtype} {rgb_hw3.shape}")


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number from low to high. `Generator.uniform` may fuse its product and sum, which rounds differently."""
    return low + (high - low) * float(rng.random())


def draw_ground(rng: np.random.Generator) -> np.ndarray:
    """Draw what shows where a piece of a print is missing, RGB: paper, or the lid or bed of the scanner."""
    return np.array([[236, 230, 216], [250, 250, 250], [24, 22, 20]])[rng.integers(0, 3)]
