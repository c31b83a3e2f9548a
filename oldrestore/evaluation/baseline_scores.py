"""Scores of baselines: which there are, a row of ``baselines.csv``, and where they are kept for other runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oldrestore.data.cache import cache_directory
from oldrestore.evaluation.metric_table import AGREEMENT, JUDGED, METRICS, OF_VALIDATION, is_agreement
from oldrestore.evaluation.scores import ImageScore, summarize

if TYPE_CHECKING:
    import pandas as pd

# What needs no network, as tables call it: no colour; the mean colour of the training photographs; for each metric the
# constant colour that does best by it on training photographs; what is left of the photographs' own colours; the
# photographs as they are.
TITLES = {
    "gray": "gray",
    "mean": "mean colour",
    "tint": "best tint",
    "quarter_chroma": "quarter of the chroma",
    "eighth_resolution": "eighth of the resolution",
    "original": "originals",
}
CEILINGS = tuple(TITLES[name] for name in ("quarter_chroma", "eighth_resolution"))
CEILINGS_IN_WORDS = f"{', '.join(CEILINGS)}: of the originals' own colours"

VERSION = 2
"""To be raised when a baseline is measured in another way or added, so that kept scores are forgotten."""


class BaselineScore(NamedTuple):
    """One row of ``baselines.csv``: a score of ``per_image.csv`` that a baseline has instead of a network."""

    baseline: str
    set: str
    image: str
    metric: str
    value: float
    weight: float
    a: float | None  # the constant colour, Lab units; None for the originals
    b: float | None


def figures_of(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the figures of each baseline, by its title and the name that a run logs them by (``val/psnr``)."""
    single = [metric for metric in reversed(METRICS) if len(metric.columns) < 2]
    names = {(metric.family, *(metric.columns or (metric.name,))): metric.name for metric in single}
    figures: dict[str, dict[str, float]] = {}
    for (baseline, set_name), rows in scores.groupby(["baseline", "set"], sort=False) if len(scores) else ():
        means = summarize(ImageScore(*row) for row in rows[list(ImageScore._fields)].itertuples(index=False))
        family = family_of(set_name, means)
        named = {f"{set_name}/{names[family, metric]}": v for metric, v in means.items() if (family, metric) in names}
        figures.setdefault(TITLES.get(baseline, baseline), {}).update(named)
    return {title: figures[title] for title in TITLES.values() if title in figures}


def family_of(set_name: str, metrics: Container[str]) -> str:
    """Return the family, in the table of metrics, of a set of scores: a further judge measures what the first does."""
    if is_agreement(set_name):
        return AGREEMENT
    return JUDGED if "iter_correct" in metrics else set_name


def cache_path(data: Mapping[str, Any], training: str | None, agreement: bool) -> Path:
    """Return where scores are kept, by what ``data.json`` says of a run and the fingerprint of what it trained on.

    `agreement` says whether the judge's agreement is measured, of which no protocol's hash knows.
    """
    prints = [(data.get(part) or {}).get("fingerprint") for part in ("val", "judged", "judge")]
    measured = [metric.name for metric in OF_VALIDATION]
    further = data.get("further_judges")
    key = json.dumps([VERSION, data["protocol"]["hash"], *prints, further, training, agreement, measured])
    return cache_directory() / "baselines" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.csv"
