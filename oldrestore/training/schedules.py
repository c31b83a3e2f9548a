"""Learning-rate schedules: pure functions of the iteration, so that a resumed run needs no schedule state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked

Iterations = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


# Maps an iteration (0 is the first) to what multiplies the optimizer's learning rate, 0..1.
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
