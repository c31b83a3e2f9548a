"""The ``search`` section of a sweep's file, checked before anything begins."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from oldrestore.config.multirun import read_sweep
from oldrestore.errors import UserError
from oldrestore.sweeps.plan import SEARCH

Value = bool | int | float | str | None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(_Section):
    """Numbers between two bounds, both included; integers if both bounds are.

    `log` draws evenly in the logarithm; `step` is the distance between the numbers that may be drawn.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log takes a low above 0 and no step")
        return self

    def suggest(self, trial: Any, name: str) -> Value:
        """Draw one for a trial of Optuna."""
        if isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float):
            return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step or 1)
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def extremes(self) -> list[Value]:
        """Return values that must all be allowed for the whole range to be."""
        return [self.low, self.high]


class Choices(_Section):
    """One of several values."""

    choices: Annotated[list[Value], Field(min_length=2)]

    def suggest(self, trial: Any, name: str) -> Value:
        """Draw one for a trial of Optuna."""
        return trial.suggest_categorical(name, self.choices)

    def extremes(self) -> list[Value]:
        """Return all of them."""
        return list(self.choices)


class Pruning(_Section):
    """Stops trials whose metric is worse than the median of the others at the same iteration.

    The first `after_trials` trials are never stopped, and no trial is stopped before `after_iterations`.
    """

    after_trials: Annotated[int, Field(ge=1)] = 5
    after_iterations: Annotated[int, Field(ge=0)] = 0


class SearchSettings(_Section):
    """A search by Optuna's tree-structured Parzen estimator (Bergstra and others 2011)."""

    metric: Annotated[str, Field(min_length=1)]  # of validation, at the end and, for pruning, at every validation
    direction: Literal["minimize", "maximize"]
    trials: Annotated[int, Field(ge=1)]  # total over every process and every start of the command
    space: Annotated[dict[str, Range | Choices], Field(min_length=1)]
    random_trials: Annotated[int, Field(ge=1)] = 10  # first trials, drawn at random
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0  # of the sampler: with one job at a time, a search is repeatable
    pruning: Pruning | None = None


def read_search(name: str) -> SearchSettings | None:
    """Read the search of ``sweeps/NAME.yaml``; None if it has none, `UserError` if a setting of it is wrong."""
    section = read_sweep(name).get(SEARCH)
    if section is None:
        return None
    try:
        return SearchSettings.model_validate(section)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in detail["loc"] if part not in ("Range", "Choices"))
        raise UserError(f"sweeps={name}: {SEARCH}.{place}: {detail['msg']}".replace(".: ", ": ")) from None
