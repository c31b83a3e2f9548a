"""A loss that is a weighted sum of named losses, each with a curve of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import paddle
from pydantic import BaseModel, ConfigDict, Field

from oldrestore.batch import Batch, Prediction
from oldrestore.errors import UserError
from oldrestore.losses.base import Loss


class Term(BaseModel):
    """One term of a sum.

    Attributes
    ----------
    weight : float
        What the term is multiplied by, at least 0. At 0 it is measured, and not learnt from.
    loss : Loss
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    loss: Any


class Composite(Loss):
    """Sum of weight x loss over named terms.

    Parameters
    ----------
    terms : dict of Term
        By name. A name becomes a curve (``train/NAME``, ``val/NAME``) of the term's own value, *not* multiplied by
        its weight, so that runs of different weights can be compared; terms of a term are ``NAME/ITS_NAME``.

    Attributes
    ----------
    reads, needs : frozenset of str
        The union of the terms'.

    Raises
    ------
    UserError
        When there is no term with a weight above 0, a name cannot be a curve's, or a term is not a loss.
    """

    def __init__(self, terms: dict[str, Term]) -> None:
        super().__init__()
        checked = {name: _checked(name, term) for name, term in terms.items()}
        if not any(term.weight > 0 for term in checked.values()):
            raise UserError("a composite loss needs at least one term with a weight above 0")
        self.weights = {name: term.weight for name, term in checked.items()}
        self.losses = paddle.nn.LayerDict({name: term.loss for name, term in checked.items()})
        self.reads = frozenset().union(*(loss.reads for loss in self.losses.values()))
        self.needs = frozenset().union(*(loss.needs for loss in self.losses.values()))

    def prepare(self, **resources: Any) -> None:
        """Hand resources on to every term.

        Raises
        ------
        TypeError
            When one that a term needs is missing.
        """
        super().prepare(**resources)
        for loss in self.losses.values():
            loss.prepare(**resources)

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Weighted sum, float32 scalar."""
        return self.terms(prediction, batch)["loss"]

    def terms(self, prediction: Prediction, batch: Batch) -> dict[str, paddle.Tensor]:
        """``loss``, the weighted sum, and each term's own value by its name."""
        curves: dict[str, paddle.Tensor] = {}
        total = None
        for name, loss in self.losses.items():
            weight = self.weights[name]
            with paddle.set_grad_enabled(weight > 0 and paddle.is_grad_enabled()):
                own = loss.terms(prediction, batch)
            curves |= {name if inner == "loss" else f"{name}/{inner}": value for inner, value in own.items()}
            if weight > 0:
                total = weight * own["loss"] if total is None else total + weight * own["loss"]
        return {"loss": total, **curves}


def _checked(name: str, term: Term | Mapping[str, Any]) -> Term:
    if name == "loss" or not name.replace("_", "").isalnum():
        raise UserError(f"a loss term cannot be named '{name}': take letters, digits and '_', and not 'loss'")
    if not isinstance(term, Term):
        if not isinstance(term, Mapping) or "loss" not in term or term.keys() - {"weight", "loss"}:
            raise UserError(f"the loss term '{name}' must have a weight and a loss, and nothing else")
        term = Term.model_construct(weight=term.get("weight", 1.0), loss=term["loss"])
    if not isinstance(term.loss, Loss):
        raise UserError(f"the loss term '{name}' is no loss: its loss needs a _target_ that is one")
    if not 0.0 <= term.weight < float("inf"):
        raise UserError(f"the weight of the loss term '{name}' must be at least 0, not {term.weight}")
    return term
