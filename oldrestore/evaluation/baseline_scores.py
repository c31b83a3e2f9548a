"""Scores of baselines: which there are, a row of ``baselines.csv``, and where they are kept for other runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oldrestore.data.cache import cache_directory
from oldrestore.evaluation.metric_table import METRICS, OF_VALIDATION
from oldrestore.evaluation.scores import ImageScore, summarize

if TYPE_CHECKING:
    import pandas as pd

# What needs no network, as tables call it: no colour; the mean colour of the training photographs; for each metric the
# constant colour that does best by it on training photographs; the photographs as they are.
TITLES = {"gray": "gray", "mean": "mean colour", "tint": "best tint", "original": "originals"}

VERSION = 1
"""To be raised when a baseline is measured in another way, so that kept scores are forgotten."""


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
    names = {(metric.family, *(metric.columns or (metric.name,))): metric.key for metric in single}
    figures: dict[str, dict[str, float]] = {}
    for (baseline, set_name), rows in scores.groupby(["baseline", "set"], sort=False) if len(scores) else ():
        means = summarize(ImageScore(*row) for row in rows[list(ImageScore._fields)].itertuples(index=False))
        named = {names[set_name, metric]: v for metric, v in means.items() if (set_name, metric) in names}
        figures.setdefault(TITLES.get(baseline, baseline), {}).update(named)
    return {title: figures[title] for title in TITLES.values() if title in figures}


def cache_path(data: Mapping[str, Any], training: str | None, agreement: bool) -> Path:
    """Return where scores are kept, by what ``data.json`` says of a run and the fingerprint of what it trained on.

    `agreement` says whether the judge's agreement is measured, of which no protocol's hash knows.
    """
    prints = [(data.get(part) or {}).get("fingerprint") for part in ("val", "judged", "judge")]
    measured = [metric.name for metric in OF_VALIDATION]
    key = json.dumps([VERSION, data["protocol"]["hash"], *prints, training, agreement, measured])
    return cache_directory() / "baselines" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.csv"
