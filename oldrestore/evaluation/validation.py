"""Scores a colorizer on photographs by every metric of colour in the table."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.color.prior import smooth_prior
from oldrestore.errors import UserError
from oldrestore.evaluation import metrics
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.metric_table import OF_VALIDATION
from oldrestore.evaluation.prediction import ColoredPhoto, Colorize
from oldrestore.evaluation.scores import ImageScore, Score, summarize

PRIOR_SIGMA = 5.0


@dataclass(frozen=True)
class ValidationResult:
    """Scores on a set of photographs: the set's value of each metric, and the scores it is computed from."""

    summary: dict[str, float]
    per_image: list[ImageScore]
    prior: np.ndarray  # float64 (313,): that of the rebalanced AuC


@dataclass(frozen=True)
class MeasuredPhoto:
    """What is known of one photograph without the others: its scores, and area and count of `metrics.area_by_bin`."""

    name: str
    scores: list[ImageScore]
    area: np.ndarray
    count: np.ndarray


def measure_photos(
    predict: Colorize,
    photos: Iterable[tuple[str, np.ndarray]],
    batch_size: int = 8,
    only: Container[str] | None = None,
) -> list[MeasuredPhoto]:
    """Colorize photographs (name, uint8 (S, S, 3)) from their lightness and measure each by itself.

    `only` names the metrics that are wanted; by default all are.
    """
    measured: list[MeasuredPhoto] = []
    for batch in batches(photos, batch_size):
        truths = [rgb_to_lab(photo) for _, photo in batch]
        predictions = predict([np.ascontiguousarray(lab[..., 0]) for lab in truths])
        for (name, photo), lab, prediction in zip(batch, truths, predictions, strict=True):
            scores = score_photo(name, ColoredPhoto(photo, lab, prediction.ab_hw2, prediction.top_bins), only)
            measured.append(MeasuredPhoto(name, scores, *metrics.area_by_bin(prediction.ab_hw2, lab[..., 1:])))
    return measured


def summarize_validation(measured: Sequence[MeasuredPhoto], prior: np.ndarray | None = None) -> ValidationResult:
    """Combine the measurements of single photographs; metrics are in the order of the table.

    `prior`, (313,), is for the rebalanced AuC. By default it is that of the evaluated photographs themselves (counted,
    then smoothed with sigma 5): the measure then depends on the evaluation set alone and is the same for every run,
    whatever it was trained on.
    """
    per_image = [score for photo in measured for score in photo.scores]
    by_bin = [(photo.name, photo.area, photo.count) for photo in measured]
    if not by_bin:
        raise UserError("there are no photographs to validate on: the validation split is empty")
    if prior is None:
        prior = smooth_prior(sum(count for _, _, count in by_bin), sigma=PRIOR_SIGMA)
    per_image += [
        ImageScore(name, metric.name, *metric.with_prior(area, count, prior))
        for metric in OF_VALIDATION
        if metric.with_prior is not None
        for name, area, count in by_bin
    ]
    order = {name: position for position, (name, _, _) in enumerate(by_bin)}
    place = {metric.name: position for position, metric in enumerate(OF_VALIDATION)}
    if len(order) != len(by_bin):
        raise ValueError("two photographs have the same name")
    per_image.sort(key=lambda score: (order[score.image], place[score.metric]))
    return ValidationResult(summarize(per_image), per_image, prior)


def score_photo(name: str, photo: ColoredPhoto, only: Container[str] | None = None) -> list[ImageScore]:
    """Every metric of one photograph, or `only` these, except those that need the whole set's prior."""
    scores = []
    for metric in OF_VALIDATION:
        wanted = metric.of is not None and (only is None or metric.name in only)
        value = metric.of(photo) if wanted else None
        if value is not None:
            scores.append(ImageScore(name, metric.name, *(value if isinstance(value, Score) else (value,))))
    return scores
