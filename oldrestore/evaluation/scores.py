"""A score of one image in one metric, and how scores become the number for a data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Score(NamedTuple):
    """A metric's value and the weight it has in the data set's value, sum(weight * value) / sum(weight).

    Metrics of whole images weigh 1. Metrics that pool pixels, as those of Zhang et al. (2016) do, weigh as
    many pixels as the image has (or their summed weights), so that the sum is the pooled value exactly.
    """

    value: float
    weight: float = 1.0


class ImageScore(NamedTuple):
    """One row of per_image.csv."""

    image: str
    metric: str
    value: float
    weight: float = 1.0


def summarize(scores: Iterable[ImageScore]) -> dict[str, float]:
    """Weighted mean of each metric over the images, in the order in which metrics first occur."""
    sums: dict[str, list[float]] = {}
    for score in scores:
        total = sums.setdefault(score.metric, [0.0, 0.0])
        total[0] += score.weight * score.value
        total[1] += score.weight
    return {metric: weighted / weight for metric, (weighted, weight) in sums.items() if weight > 0}
