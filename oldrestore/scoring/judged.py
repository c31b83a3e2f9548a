"""What a network is scored with: labelled photographs and their judge, a protocol's evaluators; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from omegaconf import DictConfig

from oldrestore.config.build import build
from oldrestore.data.sources.source import PhotoSource, Split
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import Judge
from oldrestore.losses.base import Loss
from oldrestore.scoring.rebalancing import rebalancing_prior


@dataclass
class Judged:
    """Labelled photographs and the recognition network that looks at them."""

    split: Split
    judge: Judge


def build_judged(config: DictConfig, source: PhotoSource) -> Judged | None:
    """Labelled photographs and judge of the evaluation; None where it has none.

    Parameters
    ----------
    config : DictConfig
    source : PhotoSource
        The run's own photographs, judged where the configuration says ``evaluation.judged=dataset``.

    Raises
    ------
    UserError
        When the photographs have no labels, or the judge's weights are not there.
    """
    node = config.evaluation.judged
    if node is None:
        return None
    judged_source = source if node == "dataset" else build(node)
    split = judged_source.split(config.evaluation.judged_split)
    unlabelled = [photo.name for photo in split.photos if photo.label is None]
    if unlabelled:
        raise UserError(
            f"evaluation.judged has {len(unlabelled)} of {len(split.photos)} photographs without an ImageNet "
            f"class ('{unlabelled[0]}'): name class folders by class index, or take evaluation.judged=null"
        )
    return Judged(split=split, judge=build(config.judge))


def build_protocol(
    config: DictConfig, training_prior: Callable[[], np.ndarray]
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Build the protocol's own evaluators and the prior of its rebalanced AuC, before anything is measured.

    Raises
    ------
    UserError
        When they need files that are not there.
    """
    evaluators = {name: build(node) for name, node in config.evaluation.evaluators.items()}
    return evaluators, rebalancing_prior(config, training_prior) if config.evaluation.color else None


def refuse_taught_by_judge(loss: Loss, judge: Judge) -> None:
    """Refuse a judge whose own features the loss trains on: it would praise what it has taught.

    Raises
    ------
    UserError
        Naming the judge.
    """
    for layer in loss.sublayers():
        recognizer = getattr(layer, "recognizer", None)
        if recognizer is not None and (recognizer == judge.name or layer.fingerprint == judge.fingerprint):
            raise UserError(
                f"the judge {judge.name} is the network whose features the loss trains on, and would praise what it "
                "has taught: take another judge (efficientnet_lite0 beside efficientnet_lite2) or other features"
            )


def refuse_trained_on(judged: Split, train: Split) -> None:
    """Refuse labelled photographs that are also trained on: their table would flatter.

    Raises
    ------
    UserError
        Naming the first such photograph.
    """
    both = judged.shared_with(train)
    if both:
        raise UserError(
            f"{len(both)} photographs of {judged.source} {judged.name} are trained on too ('{both[0]}'): "
            "take evaluation.judged_split=val, or photographs that the run has not seen"
        )
