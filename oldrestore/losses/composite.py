"""A loss that is a weighted sum of named losses, each with a curve of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import paddle
from pydantic import AfterValidator, BaseModel, ConfigDict

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss, NotNegative
from oldrestore.losses.weight_schedule import WeightSchedule


def _is_scheduled(weight: Any) -> Any:
    # A configuration is checked before anything is built: there a schedule is still a node with a target.
    if not isinstance(weight, WeightSchedule) and not (isinstance(weight, Mapping) and "_target_" in weight):
        raise ValueError("a weight schedule (with a _target_)")
    return weight


class Term(BaseModel):
    """One term of a sum; with a weight of 0 it is measured, and not learnt from."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    weight: NotNegative | Annotated[Any, AfterValidator(_is_scheduled)] = 1.0
    loss: Any


class Composite(Loss):
    """Sum of weight x loss over named terms.

    A name becomes a curve (``train/NAME``, ``val/NAME``) of the term's own value, *not* multiplied by its weight, so
    that runs of different weights can be compared; terms of a term are ``NAME/ITS_NAME``. A weight may be a
    `WeightSchedule`: then it is a curve too, ``weight/NAME``. The sum of two iterations is then not the same loss, so
    have the best checkpoint chosen by a term (``trainer.monitor=val/NAME``).
    """

    @checked
    def __init__(self, terms: dict[str, Term]) -> None:
        super().__init__()
        as_terms = {name: _as_term(name, term) for name, term in terms.items()}
        weights = {name: term.weight for name, term in as_terms.items()}
        self.schedules = {name: weight for name, weight in weights.items() if isinstance(weight, WeightSchedule)}
        highest = weights | {name: schedule.highest for name, schedule in self.schedules.items()}
        if not any(weight > 0 for weight in highest.values()):
            raise UserError("a composite loss needs at least one term with a weight above 0")
        # The term whose gradient, times 0, keeps the sum differentiable where every scheduled weight is 0.
        self._anchor = max(highest, key=highest.get)
        # Of the update that `at` went to last.
        self.weights = weights | {name: schedule(0) for name, schedule in self.schedules.items()}
        self.losses = paddle.nn.LayerDict({name: term.loss for name, term in as_terms.items()})
        self.reads = frozenset().union(*(loss.reads for loss in self.losses.values()))
        self.needs = frozenset().union(*(loss.needs for loss in self.losses.values()))

    def prepare(self, **resources: Any) -> None:
        """Pass resources on to every term."""
        super().prepare(**resources)
        for loss in self.losses.values():
            loss.prepare(**resources)

    def at(self, iteration: int) -> None:
        """Set the weights of an update, in every term too."""
        self.weights |= {name: schedule(iteration) for name, schedule in self.schedules.items()}
        for loss in self.losses.values():
            loss.at(iteration)

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """``loss``, the weighted sum, each term's own value by its name, and the weights that are scheduled."""
        curves: dict[str, paddle.Tensor] = {}
        total = None
        learnt = {name for name, weight in self.weights.items() if weight > 0} or {self._anchor}
        for name, loss in self.losses.items():
            with paddle.set_grad_enabled(name in learnt and paddle.is_grad_enabled()):
                values = loss.terms(prediction, batch)
            curves |= {name if inner == "loss" else f"{name}/{inner}": value for inner, value in values.items()}
            if name in learnt:
                weighted = self.weights[name] * values["loss"]
                total = weighted if total is None else total + weighted
        weights = {f"weight/{name}": paddle.to_tensor(self.weights[name], "float32") for name in self.schedules}
        return {"loss": total, **curves, **weights}


def _as_term(name: str, term: Term | Mapping[str, Any]) -> Term:
    if name in ("loss", "weight") or not name.replace("_", "").isalnum():
        raise UserError(f"a loss term cannot be named '{name}': use letters, digits and '_', not 'loss' or 'weight'")
    if not isinstance(term, Term):
        term = Term.model_construct(**term)
    if not isinstance(term.loss, Loss):
        raise UserError(f"the loss term '{name}' is not a loss: give its loss a _target_ that is one")
    return term
