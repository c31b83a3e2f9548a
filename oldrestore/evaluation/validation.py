"""Scores a colorizer on photographs: PSNR, SSIM, colour error, accuracy curves, bins, colourfulness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.color.prior import smooth_prior
from oldrestore.errors import UserError
from oldrestore.evaluation import metrics
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.prediction import Colorize, ColorPrediction, recolor
from oldrestore.evaluation.scores import ImageScore, summarize

DATA_RANGE = 255.0
# An image predicted without any error has infinite PSNR (a gray photograph, say): one of those must not make
# the mean infinite.
HIGHEST_PSNR = 100.0
PRIOR_SIGMA = 5.0


@dataclass(frozen=True)
class ValidationResult:
    """Scores on a set of photographs.

    Attributes
    ----------
    summary : dict of str to float
        The data set's value of each metric, sum(weight * value) / sum(weight).
    per_image : list of ImageScore
        What it is computed from: one entry for each image and metric.
    prior : ndarray
        float64 (313,), the prior that weighed the rebalanced AuC.
    """

    summary: dict[str, float]
    per_image: list[ImageScore]
    prior: np.ndarray

    @property
    def n(self) -> int:
        """Number of photographs."""
        return len({score.image for score in self.per_image})


@dataclass(frozen=True)
class MeasuredPhoto:
    """What is known of one photograph without the others.

    Attributes
    ----------
    name : str
    scores : list of ImageScore
        Of `score_photo`.
    area, count : ndarray
        Of `oldrestore.evaluation.metrics.area_by_bin`.
    """

    name: str
    scores: list[ImageScore]
    area: np.ndarray
    count: np.ndarray


def measure_photos(
    predict: Colorize,
    photos: Iterable[tuple[str, np.ndarray]],
    batch_size: int = 8,
    progress: Callable[[int], None] | None = None,
) -> list[MeasuredPhoto]:
    """Colorize photographs from their lightness and measure each by itself.

    Parameters
    ----------
    predict : callable
        Lightness channels (S, S) -> one ColorPrediction each.
    photos : iterable of (name, uint8 (S, S, 3))
        Read once; names are unique.
    batch_size : int
        Photographs predicted at once.
    progress : callable, optional
        Called with the number of photographs measured so far.
    """
    measured: list[MeasuredPhoto] = []
    for batch in batches(photos, batch_size):
        truths = [rgb_to_lab(photo) for _, photo in batch]
        predictions = predict([np.ascontiguousarray(lab[..., 0]) for lab in truths])
        for (name, photo), lab, prediction in zip(batch, truths, predictions, strict=True):
            scores = score_photo(name, photo, lab, prediction)
            measured.append(MeasuredPhoto(name, scores, *metrics.area_by_bin(prediction.ab_hw2, lab[..., 1:])))
        if progress is not None:
            progress(len(measured))
    return measured


def summarize_validation(measured: Sequence[MeasuredPhoto], prior: np.ndarray | None = None) -> ValidationResult:
    """Put what was measured of each photograph together.

    The metrics, in this order: psnr (dB, on 8-bit RGB, at most 100), ssim, ab_rmse (Lab units), auc,
    auc_rebalanced, bin_top1 and bin_top5 (where bins are predicted), colorfulness, colorfulness_original,
    colorfulness_difference (absolute, per image).

    Parameters
    ----------
    measured : sequence of MeasuredPhoto
    prior : ndarray, optional
        (313,), for the rebalanced AuC. By default that of the evaluated photographs themselves (counted,
        then smoothed with sigma 5): the measure then depends on the evaluation set alone and is the same for
        every run, whatever it was trained on.

    Raises
    ------
    UserError
        When there are no photographs.
    """
    per_image = [score for photo in measured for score in photo.scores]
    by_bin = [(photo.name, photo.area, photo.count) for photo in measured]
    if not by_bin:
        raise UserError("there are no photographs to validate on: the validation split is empty")
    if prior is None:
        prior = smooth_prior(sum(count for _, _, count in by_bin), sigma=PRIOR_SIGMA)
    per_image += [
        ImageScore(name, "auc_rebalanced", *metrics.rebalance(area, count, prior)) for name, area, count in by_bin
    ]
    order = {name: position for position, (name, _, _) in enumerate(by_bin)}
    if len(order) != len(by_bin):
        raise ValueError("two photographs have the same name")
    per_image.sort(key=lambda score: (order[score.image], METRICS.index(score.metric)))
    return ValidationResult(summarize(per_image), per_image, prior)


METRICS = (
    "psnr",
    "ssim",
    "ab_rmse",
    "auc",
    "auc_rebalanced",
    "bin_top1",
    "bin_top5",
    "colorfulness",
    "colorfulness_original",
    "colorfulness_difference",
)


def score_photo(name: str, photo: np.ndarray, lab: np.ndarray, prediction: ColorPrediction) -> list[ImageScore]:
    """Every metric of one photograph except the rebalanced AuC, which needs the whole set's prior."""
    ab, true_ab = prediction.ab_hw2, lab[..., 1:]
    recolored = recolor(lab[..., 0], ab)
    ours, original = metrics.colorfulness(recolored), metrics.colorfulness(photo)
    scores = [
        ImageScore(name, "psnr", min(metrics.psnr(recolored, photo, DATA_RANGE), HIGHEST_PSNR)),
        ImageScore(name, "ssim", metrics.ssim(recolored, photo, DATA_RANGE)),
        ImageScore(name, "ab_rmse", metrics.ab_rmse(ab, true_ab)),
        ImageScore(name, "auc", *metrics.auc(ab, true_ab)),
        ImageScore(name, "colorfulness", ours),
        ImageScore(name, "colorfulness_original", original),
        ImageScore(name, "colorfulness_difference", abs(ours - original)),
    ]
    if prediction.top_bins is not None:
        scores.append(ImageScore(name, "bin_top1", *metrics.bin_accuracy(prediction.top_bins, true_ab, 1)))
        scores.append(ImageScore(name, "bin_top5", *metrics.bin_accuracy(prediction.top_bins, true_ab, 5)))
    return scores
