"""Reads a learning-rate range test: its smoothed losses, where they diverge, and the learning rate to take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from oldrestore.training.schedules import RangeTest

FEWEST = 10  # steps at the beginning of which nothing is concluded, for their average is of too few losses
NAN_ADVICE = "if the learning rate is not the reason, train at a small rate and see docs/diagnostics.md"


@dataclass
class RangeTestReading:
    """The losses of a range test so far, and their moving average, corrected for its start at 0."""

    test: RangeTest
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    smoothed: list[float] = field(default_factory=list)
    diverged_at: float | None = None  # learning rate; it may be the loss that is at fault where it `became_nan`
    _average: float = 0.0

    def add(self, rate: float, loss: float) -> None:
        """Take the loss of a step, and the learning rate of the update that followed."""
        self._average = self.test.smoothing * self._average + (1 - self.test.smoothing) * loss
        average = self._average / (1 - self.test.smoothing ** (len(self.losses) + 1))
        lowest = min(self.smoothed, default=math.inf)
        self.rates.append(rate)
        self.losses.append(loss)
        self.smoothed.append(average)
        if len(self.losses) > FEWEST and not average <= self.test.divergence * lowest:  # NaN too
            self.diverged_at = rate

    @property
    def became_nan(self) -> bool:
        """Whether the test ended with a loss that is NaN, rather than much larger than its lowest."""
        return self.diverged_at is not None and math.isnan(self.losses[-1])

    @property
    def at_lowest(self) -> int:
        """The step of the lowest smoothed loss."""
        return int(np.nanargmin(self.smoothed))

    @property
    def at_steepest(self) -> int | None:
        """The middle of the tenth of the test in which the smoothed loss falls most, before it is lowest.

        A tenth, since from one step to the next batches differ more than learning rates do. None if it never falls.
        """
        half = max(1, self.test.iterations // 20)
        falls = np.subtract(self.smoothed[: -2 * half], self.smoothed[2 * half :])
        falls = falls[FEWEST : max(FEWEST, self.at_lowest + 1 - 2 * half)]
        return FEWEST + half + int(falls.argmax()) if falls.size and falls.max() > 0 else None

    @property
    def suggestion(self) -> float | None:
        """The rate where the loss falls fastest, but at most a tenth of where it is lowest; None if it never falls."""
        if self.at_steepest is None:
            return None
        return min(self.rates[self.at_steepest], self.rates[self.at_lowest] / 10)

    def in_words(self) -> str:
        """Say what the test suggests, and from what."""
        lowest, end = self.rates[self.at_lowest], f"up to {self.rates[-1]:.2g}"
        ending = f"does not diverge {end}" if self.diverged_at is None else f"diverges at {self.diverged_at:.2g}"
        if self.became_nan:
            ending = f"became NaN at {self.diverged_at:.2g}: {NAN_ADVICE}"
        if self.suggestion is None and self.became_nan:
            return f"no suggestion: the loss never falls, and {ending}"
        if self.suggestion is None:
            return f"no suggestion: the loss never falls, and {ending} (lower schedule.lowest, or add iterations)"
        if self.diverged_at is None and self.at_lowest == len(self.rates) - 1:
            ending = f"still falls at {self.rates[-1]:.2g}: raise schedule.highest"
        steepest = self.rates[self.at_steepest]
        return (
            f"optimizer.learning_rate={self.suggestion:.2g} (the loss falls fastest at {steepest:.2g}, "
            f"is lowest at {lowest:.2g} and {ending})"
        )
