"""Weights of loss terms that change in the course of training: pure functions of the iteration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.errors import UserError

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Iterations = Annotated[int, Field(ge=0)]


class WeightSchedule(ABC):
    """What a loss term is multiplied by at an update; a number that does not change needs no schedule.

    Attributes
    ----------
    highest : float
        The highest weight it ever gives.
    """

    highest: float

    @abstractmethod
    def __call__(self, iteration: int) -> float:
        """Weight at an iteration (0 is the first), at least 0."""


class Linear(WeightSchedule):
    """From one weight to another in a straight line; constant before and after.

    Parameters
    ----------
    start, end : float
        Weights, at least 0.
    until : int
        Iteration from which the weight is ``end``; above ``from_``.
    from_ : int
        Iteration up to which it is ``start``.
    """

    @checked
    def __init__(self, start: Weight, end: Weight, until: Iterations, from_: Iterations = 0) -> None:
        if from_ >= until:
            raise UserError(f"a linear weight needs from_ below until, not from_={from_} and until={until}")
        self.start = start
        self.end = end
        self.from_ = from_
        self.until = until
        self.highest = max(start, end)

    def __call__(self, iteration: int) -> float:
        """Weight at an iteration."""
        share = min(1.0, max(0.0, (iteration - self.from_) / (self.until - self.from_)))
        return (1.0 - share) * self.start + share * self.end

    def __repr__(self) -> str:
        return f"Linear(start={self.start}, end={self.end}, until={self.until}, from_={self.from_})"


class PiecewiseConstant(WeightSchedule):
    """One weight after another, each from its milestone on.

    Parameters
    ----------
    values : sequence of float
        Weights, at least 0: one more than there are milestones.
    milestones : sequence of int
        Iterations, rising, from which the second, third, ... weight holds.
    """

    @checked
    def __init__(self, values: Sequence[Weight], milestones: Sequence[Iterations]) -> None:
        if len(values) != len(milestones) + 1:
            raise UserError(
                f"a stepped weight needs one more of values than of milestones, not {len(values)} and {len(milestones)}"
            )
        if list(milestones) != sorted(set(milestones)):
            raise UserError(f"milestones of a stepped weight must rise, not {list(milestones)}")
        self.values = list(values)
        self.milestones = list(milestones)
        self.highest = max(values)

    def __call__(self, iteration: int) -> float:
        """Weight at an iteration."""
        return self.values[sum(iteration >= milestone for milestone in self.milestones)]

    def __repr__(self) -> str:
        return f"PiecewiseConstant(values={self.values}, milestones={self.milestones})"
