"""Evaluators: what a protocol measures beside colour and recognition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from paddle import nn

from oldrestore.batch import Batch
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError
from oldrestore.evaluation.prediction import Colorize
from oldrestore.evaluation.scores import ImageScore


@dataclass(frozen=True)
class EvaluationContext:
    """What an evaluator may use.

    `photos` yields (name, uint8 (S, S, 3)) of every validation photograph, `count` in all, in the order of names.
    `make_batch` maps uint8 (B, S, S, 3), names and a random generator to the run's inputs. `watch(items, what, total)`
    passes items on while it shows progress and lets a signal stop the run. `colorize` colours as the protocol says.
    """

    network: nn.Layer  # with the weights to be measured, in evaluation mode
    photos: Callable[[], Iterator[tuple[str, np.ndarray]]]
    make_batch: Callable[[np.ndarray, Sequence[str], np.random.Generator], Batch]
    batch_size: int
    count: int
    watch: Callable[[Iterable, str, int], Iterator]
    colorize: Colorize | None = None
    judged: Split | None = None  # labelled photographs, if the protocol has any

    def require(self, field: str, what: str) -> None:
        """Refuse a network that does not predict a field, without which `what` cannot be measured."""
        if field not in self.network.predicts:
            raise UserError(
                f"{what} cannot be measured on {type(self.network).__name__}, which predicts "
                f"{' and '.join(sorted(self.network.predicts))}: use a model that predicts {field}"
            )


@dataclass(frozen=True)
class Evaluated:
    """Results of an evaluator: named figures of the whole set, the scores they are computed from, and pictures."""

    values: dict[str, float] = field(default_factory=dict)
    per_image: list[ImageScore] = field(default_factory=list)
    panels: dict[str, np.ndarray] = field(default_factory=dict)  # uint8 (H, W, 3)
    table: Any = None  # a rich table, for the end of the run's printed output
    rows: list[dict[str, Any]] = field(default_factory=list)  # the table's; written to NAME.csv of the run folder
    notes: list[str] = field(default_factory=list)  # what the reader of the figures should know; printed after them


class Evaluator(Protocol):
    """Measures a network; a choice under ``evaluation.evaluators``.

    Those that draw take a ``seed`` and use the photograph's name or its place in the order of names, not the run: every
    run is measured on the same.
    """

    every_time: bool  # runs at each validation, or at the end only
    # One that measures only networks which read a certain field of the batch names it as `reads` (see `check_read`).

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure."""


def check_read(evaluators: Mapping[str, Evaluator], network: nn.Layer) -> None:
    """Raise `UserError`, before anything is measured, if a network does not read what an evaluator gives to it."""
    for name, evaluator in evaluators.items():
        field = getattr(evaluator, "reads", None)
        if field is not None and field not in network.reads:
            raise UserError(
                f"{type(network).__name__} does not read {field}, which evaluation.evaluators.{name} "
                f"({type(evaluator).__name__}) gives to it: use a model that does, or another protocol "
                "(evaluation=photos)"
            )


def spread(count: int, wanted: int | None) -> list[int]:
    """Places spread evenly over `count`; all of them if more are wanted, or None."""
    wanted = count if wanted is None else min(wanted, count)
    return [index * count // wanted for index in range(wanted)]
