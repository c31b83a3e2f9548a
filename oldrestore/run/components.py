"""Turns a checked configuration into what a run needs, before any folder is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from omegaconf import DictConfig
from paddle import nn

from oldrestore.config.build import build
from oldrestore.config.pairs import check_pair
from oldrestore.data.inputs.colors import Inputs
from oldrestore.data.prior import color_counts, dataset_prior
from oldrestore.data.sources.source import PhotoSource, Split
from oldrestore.device import seed_everything
from oldrestore.errors import UserError
from oldrestore.evaluation.evaluator import check_read
from oldrestore.losses.base import Loss
from oldrestore.scoring.judged import (
    Judged,
    build_judged,
    build_protocol,
    judges_of,
    refuse_part_of_network,
    refuse_taught_by_judge,
    refuse_trained_on,
)
from oldrestore.training.learner import Learner


@dataclass
class Components:
    """Everything a training run works with."""

    source: PhotoSource
    inputs: Inputs
    train: Split
    validation: Split
    judged: Judged | None
    learner: Learner
    evaluators: dict[str, Any] = field(default_factory=dict)  # the protocol's own, by name
    prior: np.ndarray | None = None  # weighs the rebalanced AuC; None: that of the photographs measured

    @property
    def network(self) -> nn.Layer:
        """The network that is trained and evaluated."""
        return self.learner.network


def prepare_loss(loss: Loss, train: Split, validation: Split, source: PhotoSource) -> None:
    """Give a loss the resources that it says it needs."""
    available: dict[str, Any] = {
        "prior": lambda: dataset_prior(train, source.crops),
        "prior_pixels": lambda: float(color_counts(train, source.crops).sum()),
        "labels": lambda: {p.name: p.label for s in (train, validation) for p in s.photos if p.label is not None},
    }
    unknown = loss.needs - available.keys()
    if unknown:
        raise UserError(f"{type(loss).__name__} needs {', '.join(sorted(unknown))}, which no run provides")
    loss.prepare(**{name: available[name]() for name in sorted(loss.needs)})


def build_components(config: DictConfig) -> Components:
    """Build everything that a training run works with; `UserError` if data, weights or settings cannot be used."""
    check_pair(config.model, config.loss)
    source = build(config.dataset)
    train, validation = source.split("train"), source.split("val")
    judged = build_judged(config, source)
    if judged is not None:
        refuse_trained_on(judged.split, train)
    # Before the seeds: a protocol's networks must not move the run's random numbers.
    evaluators, prior = build_protocol(config, judged, lambda: dataset_prior(train, source.crops.of_protocols()))
    seed_everything(config.seed, config.trainer.deterministic)
    network = build(config.model)
    for setting, pixels in (
        ("dataset.crops.crop", source.crops.crop),
        ("dataset.crops.evaluation_size", source.crops.evaluation_size),
        ("evaluation.size", config.evaluation.size),
    ):
        if pixels % network.stride:
            name = type(network).__name__
            raise UserError(f"{setting}={pixels} must be a multiple of {network.stride}, the stride of {name}")
    if config.evaluation.color and not hasattr(network, "decode"):
        raise UserError(
            f"{type(network).__name__} predicts no colour to be measured: take evaluation=holes, or "
            "evaluation.color=false"
        )
    check_read(evaluators, network)
    loss = build(config.loss)
    for judge in judges_of(judged, evaluators):
        refuse_part_of_network(network, judge)
        refuse_taught_by_judge(loss, judge)
    prepare_loss(loss, train, validation, source)
    learner = build(
        config.trainer.learner,
        network=network,
        loss=loss,
        optimizer=build(config.optimizer),
        schedule=build(config.schedule),
    )
    inputs = build(config.inputs)
    return Components(source, inputs, train, validation, judged, learner, evaluators, prior)
