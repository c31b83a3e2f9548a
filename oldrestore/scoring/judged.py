"""What a network is scored with: labelled photographs, a judge, evaluators, a prior; and what would flatter it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from paddle import nn

from oldrestore.color.bins import NUMBER_OF_BINS
from oldrestore.config.build import build
from oldrestore.data.sources.source import PhotoSource, Split
from oldrestore.errors import UserError
from oldrestore.evaluation.agreement import Agreement
from oldrestore.evaluation.further_judge import FurtherJudge
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.metric_table import AGREEMENT
from oldrestore.losses.base import Loss

LARGEST_PRIOR = 2**20  # bytes; 313 numbers are 2.6 kB


@dataclass
class Judged:
    """Labelled photographs and the recognition network that classifies them."""

    split: Split
    judge: Judge


def build_judged(config: DictConfig, source: PhotoSource) -> Judged | None:
    """Return the labelled photographs and the judge of the evaluation; None if it has none.

    `source` has the run's own photographs, which are judged with ``evaluation.judged=dataset``.
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
    config: DictConfig, judged: Judged | None, training_prior: Callable[[], np.ndarray]
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Build the protocol's own evaluators and the prior of its rebalanced AuC, before anything is measured."""
    evaluators = {name: build(node) for name, node in config.evaluation.evaluators.items()}
    further = {name: e.judge for name, e in evaluators.items() if isinstance(e, FurtherJudge)}
    agreement = config.evaluation.color and config.evaluation.get("agreement")
    if further and judged is None:
        if not agreement:
            raise UserError(
                f"the judge {next(iter(further))} has no photographs to judge: take an evaluation with judged "
                "photographs (evaluation=photos), or one judge"
            )
        evaluators = {name: e for name, e in evaluators.items() if name not in further}
    if agreement:
        evaluators[AGREEMENT] = Agreement(build(config.judge) if judged is None else judged.judge)
        evaluators |= {f"{name}_{AGREEMENT}": Agreement(judge, every_time=False) for name, judge in further.items()}
    return evaluators, rebalancing_prior(config, training_prior) if config.evaluation.color else None


def judge_of(judged: Judged | None, evaluators: Mapping[str, Any]) -> Judge | None:
    """Return the judge that labelled photographs are shown to, or else evaluators show theirs to."""
    if judged is not None:
        return judged.judge
    return next((e.judge for e in evaluators.values() if isinstance(e, Agreement)), None)


def describe_judging(judged: Judged | None, evaluators: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``data.json`` records of labelled photographs and judge, if there are any."""
    judge = judge_of(judged, evaluators)
    described = {} if judged is None else {"judged": judged.split.describe()}
    if judge is not None:
        described["judge"] = {"name": judge.name, "fingerprint": judge.fingerprint}
    if further := judges_of(judged, evaluators)[1:]:
        described["further_judges"] = {judge.name: judge.fingerprint for judge in further}
    return described


def rebalancing_prior(config: DictConfig, training: Callable[[], np.ndarray]) -> np.ndarray | None:
    """Return the prior that weighs the rebalanced AuC; None for that of the photographs measured.

    `training` gives the smoothed prior of the run's training photographs.
    """
    which, path = config.evaluation.get("rebalancing", "measured"), config.evaluation.get("prior_file")
    if which == "published" or path is not None:
        return _read_prior(path)
    return training() if which == "training" else None


def _read_prior(path: str | None) -> np.ndarray:
    """Read 313 probabilities, in the order of the bins, from a ``.npy`` file or a text of numbers."""
    if path is None:
        raise UserError(
            "the rebalanced AuC of this protocol is weighed by the published prior of ImageNet, which is not shipped: "
            "give evaluation.prior_file=FILE (the authors' prior_probs.npy), or take evaluation.rebalancing=training "
            "or measured"
        )
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > LARGEST_PRIOR:
            raise ValueError("it is too large")
        numbers = np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.loadtxt(file, delimiter=None)
        prior = np.asarray(numbers, dtype=np.float64).ravel()
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"evaluation.prior_file={path} cannot be read: {' '.join(str(error).split())}") from None
    if prior.shape != (NUMBER_OF_BINS,) or not np.isfinite(prior).all() or not (prior > 0).all():
        raise UserError(f"evaluation.prior_file={path} must hold {NUMBER_OF_BINS} numbers above 0, one for each ab bin")
    return prior / prior.sum()


def judges_of(judged: Judged | None, evaluators: Mapping[str, Any]) -> list[Judge]:
    """Return the judge, as `judge_of` does, and further ones after it."""
    asked = [e.judge for e in evaluators.values() if isinstance(e, FurtherJudge | Agreement)]
    return list(dict.fromkeys([*([] if judged is None else [judged.judge]), *asked]))


def refuse_taught_by_judge(loss: Loss, judge: Judge) -> None:
    """Raise `UserError` if the loss trains on the judge's own features: it would praise what it has taught."""
    if _holds(loss, judge):
        raise UserError(
            f"the judge {judge.name} is the network whose features the loss trains on, and would praise what it "
            "has taught: take another judge (efficientnet_lite0 beside efficientnet_lite2) or other features"
        )


def refuse_part_of_network(network: nn.Layer, judge: Judge) -> None:
    """Raise `UserError` if the network that is judged holds the judge's weights, as an encoder."""
    if _holds(network, judge):
        raise UserError(
            f"the judge {judge.name} is the encoder of {type(network).__name__}, and would judge its own features: "
            "take another judge, such as efficientnet_lite0 or squeezenet"
        )


def _holds(network: nn.Layer, judge: Judge) -> bool:
    recognizers = [layer for layer in network.sublayers() if getattr(layer, "recognizer", None) is not None]
    return any(layer.recognizer == judge.name or layer.fingerprint == judge.fingerprint for layer in recognizers)


def refuse_trained_on(judged: Split, train: Split) -> None:
    """Raise `UserError` if judged photographs are also trained on: their table would flatter."""
    both = judged.shared_with(train)
    if both:
        raise UserError(
            f"{len(both)} photographs of {judged.source} {judged.name} are trained on too ('{both[0]}'): "
            "take evaluation.judged_split=val, or photographs that the run has not seen (dataset=photos_wide_2 has "
            "none of labelled_photos_wide)"
        )
