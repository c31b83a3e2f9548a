"""Turns a checked configuration into what a run needs, before any folder is made."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle
from omegaconf import DictConfig
from paddle import nn

from oldrestore import parallel
from oldrestore.config.build import build
from oldrestore.config.pairs import check_pair
from oldrestore.data.inputs import Inputs
from oldrestore.data.prior import color_counts, dataset_prior
from oldrestore.data.source import PhotoSource, Split
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import Judge
from oldrestore.losses.base import Loss
from oldrestore.runs.rebalancing import rebalancing_prior
from oldrestore.training.learner import Learner


@dataclass
class Judged:
    """Labelled photographs and the recognition network that looks at them."""

    split: Split
    judge: Judge


@dataclass
class Components:
    """Everything a training run works with.

    `evaluators` are the protocol's own, by name; `prior` weighs the rebalanced AuC (None: that of what is measured).
    """

    source: PhotoSource
    inputs: Inputs
    train: Split
    validation: Split
    judged: Judged | None
    learner: Learner
    evaluators: dict[str, Any] = field(default_factory=dict)
    prior: np.ndarray | None = None

    @property
    def network(self) -> nn.Layer:
        """The network that is trained and evaluated."""
        return self.learner.network


def set_device(wanted: str) -> str:
    """Select the device; ``auto`` is the first GPU, or the CPU where there is none.

    Raises
    ------
    UserError
        When a GPU is asked for that this Paddle or this machine does not have.
    """
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() and not parallel.on_cpus() else 0
    if wanted == "auto":
        wanted = "gpu" if gpus else "cpu"
    number = int(wanted.partition(":")[2] or parallel.own_gpu())
    if wanted.startswith("gpu") and number >= gpus:
        why = "this Paddle is built for CPUs" if not paddle.is_compiled_with_cuda() else f"Paddle sees {gpus} GPUs"
        raise UserError(f"trainer.device={wanted} is not here ({why}): take trainer.device=cpu or auto")
    paddle.set_device(f"gpu:{number}" if wanted.startswith("gpu") else "cpu")
    return paddle.get_device()


def seed_everything(seed: int, deterministic: bool = True) -> None:
    """Seed Python, NumPy and Paddle; on a GPU, also ask for algorithms that repeat."""
    random.seed(seed)
    np.random.seed(seed)
    paddle.seed(seed)
    if deterministic and paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1})


def build_network(config: DictConfig) -> nn.Layer:
    """Build the network of a configuration."""
    return build(config.model)


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


def prepare_loss(loss: Loss, train: Split, source: PhotoSource) -> None:
    """Give a loss the resources that it says it needs."""
    known: dict[str, Any] = {
        "prior": lambda: dataset_prior(train, source.crops),
        "prior_pixels": lambda: float(color_counts(train, source.crops).sum()),
    }
    unknown = loss.needs - known.keys()
    if unknown:
        raise UserError(f"{type(loss).__name__} needs {', '.join(sorted(unknown))}, which no run provides")
    loss.prepare(**{name: known[name]() for name in sorted(loss.needs)})


def build_components(config: DictConfig) -> Components:
    """Build everything that a training run works with; seeds first, so that weights repeat.

    Raises
    ------
    UserError
        On whatever a user can mend: data, weights, labels, a loss that does not fit the network.
    """
    check_pair(config.model, config.loss)
    source = build(config.dataset)
    train, validation = source.split("train"), source.split("val")
    judged = build_judged(config, source)
    if judged is not None:
        refuse_trained_on(judged.split, train)
    # Before the seeds: a protocol's networks must not move the run's random numbers.
    evaluators, prior = build_protocol(config, lambda: dataset_prior(train, source.crops))
    seed_everything(config.seed, config.trainer.deterministic)
    network = build_network(config)
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
    loss = build(config.loss)
    if judged is not None:
        refuse_taught_by_judge(loss, judged.judge)
    prepare_loss(loss, train, source)
    learner = build(
        config.trainer.learner,
        network=network,
        loss=loss,
        optimizer=build(config.optimizer),
        schedule=build(config.schedule),
    )
    inputs = build(config.inputs)
    return Components(source, inputs, train, validation, judged, learner, evaluators, prior)


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
