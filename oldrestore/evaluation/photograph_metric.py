"""A metric of single photographs that is added to a protocol, as the metric of a plugin is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.config.values import checked
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext
from oldrestore.evaluation.prediction import ColoredPhoto
from oldrestore.evaluation.scores import ImageScore, summarize


class PhotographMetric(ABC):
    """An evaluator that measures each validation photograph; its figure ``value`` is their mean.

    Under ``evaluation.evaluators.NAME``, the figure is logged as ``NAME/value``, with a score of each photograph that
    comparisons and reports use. They read from the configuration which way it is better, so that they need no plugin.
    """

    @checked
    def __init__(self, better: Literal["max", "min"], every_time: bool = True) -> None:
        self.better = better
        self.every_time = every_time  # measured at each validation, or at the end only

    @abstractmethod
    def measure(self, photo: ColoredPhoto) -> float:
        """Measure a photograph."""

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure every validation photograph."""
        scores = [ImageScore(name, "value", float(self.measure(photo))) for name, photo in _colored(context)]
        return Evaluated(summarize(scores), scores)


def _colored(context: EvaluationContext) -> Iterator[tuple[str, ColoredPhoto]]:
    watched = context.watch(context.photos(), "a metric", context.count)
    for batch in batches(watched, context.batch_size):
        labs = [rgb_to_lab(rgb) for _, rgb in batch]
        predicted = context.colorize([np.ascontiguousarray(lab[..., 0]) for lab in labs])
        for (name, rgb), lab, prediction in zip(batch, labs, predicted, strict=True):
            yield name, ColoredPhoto(rgb, lab, prediction.ab_hw2, prediction.top_bins)
