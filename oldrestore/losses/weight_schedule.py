"""Weights of loss terms that change during training: pure functions of the iteration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import NotNegative

Iterations = Annotated[int, Field(ge=0)]


class WeightSchedule(ABC):
    """What a loss term is multiplied by at an update; a number that does not change needs no schedule."""

    @property
    @abstractmethod
    def highest(self) -> float:
        """The highest of all weights that it ever gives."""

    @abstractmethod
    def __call__(self, iteration: int) -> float:
        """Weight at an iteration (0 is the first), at least 0."""


@checked
@dataclass(frozen=True)
class Linear(WeightSchedule):
    """From one weight to another in a straight line: ``start`` up to iteration ``from_``, ``end`` from ``until`` on."""

    start: NotNegative
    end: NotNegative
    until: Iterations
    from_: Iterations = 0

    def __post_init__(self) -> None:
        if self.from_ >= self.until:
            raise UserError(f"a linear weight needs from_ below until, not from_={self.from_} and until={self.until}")

    @property
    def highest(self) -> float:
        """The higher of the two."""
        return max(self.start, self.end)

    def __call__(self, iteration: int) -> float:
        """Weight at an iteration."""
        share = min(1.0, max(0.0, (iteration - self.from_) / (self.until - self.from_)))
        return (1.0 - share) * self.start + share * self.end


@checked
@dataclass(frozen=True)
class PiecewiseConstant(WeightSchedule):
    """One weight after another: the second, third, ... each from its milestone (an iteration) on."""

    values: Sequence[NotNegative]
    milestones: Sequence[Iterations]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.milestones) + 1:
            raise UserError(
                "a stepped weight needs one more of values than of milestones, not "
                f"{len(self.values)} and {len(self.milestones)}"
            )
        if list(self.milestones) != sorted(set(self.milestones)):
            raise UserError(f"milestones of a stepped weight must rise, not {list(self.milestones)}")

    @property
    def highest(self) -> float:
        """The highest of the values."""
        return max(self.values)

    def __call__(self, iteration: int) -> float:
        """Weight at an iteration."""
        return self.values[sum(iteration >= milestone for milestone in self.milestones)]
