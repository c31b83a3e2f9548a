"""Learning-rate schedules: pure functions of the iteration, so that a resumed run needs no schedule state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.errors import UserError

Iterations = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


# Maps an iteration (0 is the first) to what multiplies the optimizer's learning rate: 0..1, except in a range test.
Schedule = Callable[[int], float]


def _warm(iteration: int, warmup: int) -> float:
    """Linear rise to 1 over the first `warmup` iterations (Goyal et al. 2017); the first step is not idle."""
    return min(1.0, (iteration + 1) / warmup) if warmup else 1.0


@checked
@dataclass(frozen=True)
class Constant:
    """The learning rate throughout, after `warmup` iterations of linear rise."""

    warmup: Iterations = 0

    def __call__(self, iteration: int) -> float:
        """Return the factor at an iteration."""
        return _warm(iteration, self.warmup)


@checked
@dataclass(frozen=True)
class Step:
    """The learning rate times `factor` from each milestone (an iteration) on."""

    milestones: Sequence[Iterations]
    factor: Share = 0.1
    warmup: Iterations = 0

    def __call__(self, iteration: int) -> float:
        """Return the factor at an iteration."""
        passed = sum(iteration >= milestone for milestone in self.milestones)
        return _warm(iteration, self.warmup) * self.factor**passed


@checked
@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 at the end of the warm-up to `final` at `iterations`.

    Source: Loshchilov and Hutter, SGDR (2017), a single period.
    """

    iterations: Annotated[int, Field(ge=1)]
    warmup: Iterations = 0
    final: Share = 0.0

    def __call__(self, iteration: int) -> float:
        """Return the factor at an iteration."""
        span = max(1, self.iterations - self.warmup)
        progress = min(1.0, max(0.0, (iteration - self.warmup) / span))
        decayed = self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))
        return _warm(iteration, self.warmup) * decayed


@checked
@dataclass(frozen=True)
class RangeTest:
    """Exponential growth from `lowest` to `highest` learning rate, in a test of `iterations` steps.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks (2017). Its growth is linear; exponential growth
    gives each order of magnitude the same number of steps.

    Parameters
    ----------
    learning_rate : float
        The optimizer's, of which the schedule is a multiple.
    smoothing : float
        Decay of the moving average of the losses that the test reads.
    divergence : float
        The test ends when that average is so many times its lowest value.
    warmup : int
        Ignored: other schedules have it, and what sets it for them can be tested too.
    """

    learning_rate: Rate
    iterations: Annotated[int, Field(ge=20)] = 100
    lowest: Rate = 1e-6
    highest: Rate = 1.0
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.9
    divergence: Annotated[float, Field(gt=1)] = 4.0
    warmup: Iterations = 0

    @staticmethod
    def check_together(node: Mapping[str, Any], path: str) -> None:
        """Refuse an empty range."""
        lowest, highest = node.get("lowest", RangeTest.lowest), node.get("highest", RangeTest.highest)
        if lowest >= highest:
            raise UserError(f"{path}.lowest = {lowest} must be less than {path}.highest = {highest}")

    def __call__(self, iteration: int) -> float:
        """Return the factor at an iteration."""
        grown = (self.highest / self.lowest) ** (iteration / (self.iterations - 1))
        return self.lowest * grown / self.learning_rate
